// halt HOW [ARGUMENT...] - a process that sleeps where a real one seldom can be made to. Copied under another name it
// stands in for a program (`zfs`) that this machine lacks; what follows HOW is for whoever reads its arguments.
// HOW comes from the environment where the arguments must look real: HALT=HOW zfs receive -u tank/home.
//
//   d-read   uninterruptible (state D, as the parent of a vfork is); has read nothing
//   d-write  the same while another fills its standard output, as a kernel worker does for `zfs send`
//   d-eof    reads its input to the end, then sleeps in state D, as in the commit of a receive
//   ioctl    in an ioctl that does not return (waiting for a seccomp notification that nobody causes)
//   spawn    another thread holds a lock; the child that it forked needs it before its exec; the parent reads the
//            status pipe
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static char block[65536];

static void sleep_in_vfork(int writes) {
  if (vfork() == 0) {
    if (writes) {
      close(0);
      while (write(1, block, sizeof block) > 0) {
      }
      _exit(1);
    }
    close(0);
    close(1);
    close(2);
    for (;;) pause();
  }
}

static void wait_in_ioctl(void) {
  struct sock_filter allow[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_acct, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof allow / sizeof *allow, allow};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  int fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  if (fd < 0) {
    perror("seccomp");
    exit(1);
  }
  struct seccomp_notif notice;
  memset(&notice, 0, sizeof notice);
  ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &notice);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int ready[2];

static void* hold_lock(void* unused) {
  pthread_mutex_lock(&lock);
  if (write(ready[1], "x", 1) != 1) abort();
  for (;;) pause();
  return unused;
}

static void spawn_under_lock(char** command) {
  pthread_t holder;
  int status[2];
  char c;
  if (pipe2(ready, O_CLOEXEC) || pipe2(status, O_CLOEXEC)) abort();
  pthread_create(&holder, NULL, hold_lock, NULL);
  if (read(ready[0], &c, 1) != 1) abort();
  close(ready[0]);
  close(ready[1]);
  if (fork() == 0) {
    close(status[0]);
    pthread_mutex_lock(&lock);  // held by a thread that does not exist here
    execvp(command[0], command);
    _exit(127);
  }
  close(status[1]);
  if (read(status[0], &c, 1) < 0) exit(1);
}

int main(int argc, char** argv) {
  const char* how = getenv("HALT");
  if (!how) how = argc > 1 ? argv[1] : "";
  if (!strcmp(how, "d-read")) sleep_in_vfork(0);
  if (!strcmp(how, "d-write")) sleep_in_vfork(1);
  if (!strcmp(how, "d-eof")) {
    while (read(0, block, sizeof block) > 0) {
    }
    sleep_in_vfork(0);
  }
  if (!strcmp(how, "ioctl")) wait_in_ioctl();
  if (!strcmp(how, "spawn")) spawn_under_lock(argv + 1);
  return 2;
}
