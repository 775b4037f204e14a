// child_report FILE [COMMAND ARGS...] - writes to FILE what this process was given by the one that started it, one fact a
// line, then becomes COMMAND (or exits 0). tests/e2e/child.bats compares such reports.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

extern char** environ;

static FILE* out;

static void report_descriptors(DIR* fds, int own) {
  for (struct dirent* entry; (entry = readdir(fds)) != NULL;) {
    if (entry->d_name[0] == '.') continue;
    const int fd = atoi(entry->d_name);
    if (fd == dirfd(fds) || fd == own) continue;
    char path[64];
    char target[4096];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const ssize_t length = readlink(path, target, sizeof target - 1);
    target[length > 0 ? length : 0] = '\0';
    // The number of a pipe says nothing by itself; it stands at the end, where it can be cut off.
    char* number = strchr(target, '[');
    if (number != NULL) *number++ = '\0';
    const off_t offset = lseek(fd, 0, SEEK_CUR);
    fprintf(out, "fd %d: %s flags 0%o offset %ld%s", fd, target, fcntl(fd, F_GETFL), (long)offset,
            (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0 ? " cloexec" : "");
    fprintf(out, number != NULL ? " number [%s\n" : "\n", number);
  }
}

static void report_signals(void) {
  sigset_t mask;
  sigset_t pending;
  sigprocmask(SIG_BLOCK, NULL, &mask);
  sigpending(&pending);
  for (int signal = 1; signal <= SIGRTMAX; ++signal) {
    struct sigaction action;
    if (sigismember(&mask, signal) == 1) fprintf(out, "blocked signal: %d\n", signal);
    if (sigismember(&pending, signal) == 1) fprintf(out, "pending signal: %d\n", signal);
    // The C library hides 32 and 33, its own.
    if (sigaction(signal, NULL, &action) != 0) continue;
    if (action.sa_handler == SIG_IGN) fprintf(out, "ignored signal: %d\n", signal);
  }
  int death_signal = 0;
  prctl(PR_GET_PDEATHSIG, &death_signal);
  fprintf(out, "death signal: %d\n", death_signal);
}

static void report_processes(void) {
  char parent[64] = "?";
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/comm", getppid());
  FILE* comm = fopen(path, "re");
  if (comm != NULL) {
    if (fgets(parent, sizeof parent, comm) != NULL) parent[strcspn(parent, "\n")] = '\0';
    fclose(comm);
  }
  fprintf(out, "parent: %s\npid: %d\ngroup: %d\nsession: %d\n", parent, getpid(), getpgrp(),
          getsid(0));
  const int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (terminal < 0) {
    fprintf(out, "terminal: none\n");
  } else {
    fprintf(out, "terminal: its foreground group is %s\n",
            tcgetpgrp(terminal) == getpgrp() ? "ours" : "another");
    close(terminal);
  }
}

static void report_settings(void) {
  char cwd[4096];
  fprintf(out, "cwd: %s\n", getcwd(cwd, sizeof cwd) != NULL ? cwd : strerror(errno));
  const mode_t mask = umask(0);
  umask(mask);
  fprintf(out, "umask: %04o\n", mask);
  fprintf(out, "nice: %d\n", getpriority(PRIO_PROCESS, 0));
  fprintf(out, "scheduler: %d\n", sched_getscheduler(0));
  cpu_set_t processors;
  CPU_ZERO(&processors);
  sched_getaffinity(0, sizeof processors, &processors);
  fprintf(out, "processors: %d\n", CPU_COUNT(&processors));
  for (int limit = 0; limit < RLIM_NLIMITS; ++limit) {
    struct rlimit value;
    getrlimit((__rlimit_resource_t)limit, &value);
    fprintf(out, "limit %d: %lld %lld\n", limit, (long long)value.rlim_cur,
            (long long)value.rlim_max);
  }
  fprintf(out, "user: %d %d %d %d\n", getuid(), geteuid(), getgid(), getegid());
  fprintf(out, "no new privileges: %d\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  fprintf(out, "dumpable: %d\n", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
  fprintf(out, "timer slack: %d\n", prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  DIR* fds = opendir("/proc/self/fd");
  // Where the report lies must not be where a descriptor of interest is missing.
  const int low = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fds == NULL || low < 0) return 2;
  const int high = fcntl(low, F_DUPFD_CLOEXEC, 200);
  close(low);
  out = fdopen(high, "w");
  if (out == NULL) return 2;
  report_descriptors(fds, high);
  closedir(fds);
  report_signals();
  report_processes();
  report_settings();
  for (int i = 0; i < argc; ++i) fprintf(out, "argument %d: %s\n", i, argv[i]);
  for (char** variable = environ; *variable != NULL; ++variable) {
    fprintf(out, "environment: %s\n", *variable);
  }
  if (fclose(out) != 0) return 2;
  if (argc == 2) return 0;
  execvp(argv[2], argv + 2);
  return 127;
}
