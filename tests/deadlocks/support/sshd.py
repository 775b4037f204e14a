"""An sshd for one exhibit."""
from exhibit import *

def ssh_server(*options):
    """An sshd on a port of 127.0.0.1, for our own user, and what ssh needs to reach it; it ends with us."""
    import pwd, socket
    need("sshd", "ssh", "ssh-keygen")
    me = pwd.getpwuid(os.geteuid())
    if me.pw_shell.endswith(("nologin", "false")):
        skip(f"{me.pw_name} cannot log in")
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", name], check=True, stdin=subprocess.DEVNULL)
    os.rename("user.pub", "authorized")
    os.chmod(folder, 0o755)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    sshd = "/usr/sbin/sshd"
    with open("sshd_config", "w") as f:
        f.write(f"""
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
""")
    argv = [sshd, "-D", "-f", folder + "/sshd_config", "-E", folder + "/sshd.log"]
    if os.geteuid() == 0 and not os.path.isdir("/run/sshd"):  # in a namespace where it is there
        argv = ["unshare", "--mount", "sh", "-c",
                'mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && exec "$@"', "sh", *argv]
    start(argv, apart=True)
    until(lambda: "Server listening" in read("sshd.log"), "sshd listens")
    return ["ssh", "-F", "none", "-p", str(port), "-i", folder + "/user", "-o", "StrictHostKeyChecking=no",
            "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "BatchMode=yes", *options,
            me.pw_name + "@127.0.0.1"]
