// nudge PID COUNT - the bare nudge (H1 of docs/diagnosis): gives each pipe that PID has at its
// standard input or output the size it has, COUNT times; prints how many of the calls went well.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int nudge(const char* pid, int fd) {
  char path[64], target[64];
  snprintf(path, sizeof path, "/proc/%s/fd/%d", pid, fd);
  ssize_t length = readlink(path, target, sizeof target - 1);
  if (length < 0 || strncmp(target, "pipe:", 5) != 0) return 0;
  int end = open(path, (fd == 0 ? O_RDONLY : O_WRONLY) | O_NONBLOCK | O_CLOEXEC);
  if (end < 0) return 0;
  int size = fcntl(end, F_GETPIPE_SZ);
  int done = size > 0 && fcntl(end, F_SETPIPE_SZ, size) == size;
  close(end);
  return done;
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  int done = 0;
  for (int n = atoi(argv[2]); n > 0; --n) done += nudge(argv[1], 0) + nudge(argv[1], 1);
  printf("%d\n", done);
  return 0;
}
