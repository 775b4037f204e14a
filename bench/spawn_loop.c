// The floor under a run of plain jobs: so many times posix_spawn(3) and waitpid(2), and with a file one fdatasync(2) each.
//
//   spawn_loop COUNT PROGRAM [FILE]
//
// As queue-process does, each process gets the end of a pipe that holds a kilobyte, and what is written into the file is
// the number. Exit status 1 if anything fails.
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

static int run_once(char* program) {
  static char payload[1000];
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0 || write(ends[1], payload, sizeof payload) != sizeof payload) return -1;
  close(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[0], 0);
  char* argv[] = {program, NULL};
  pid_t pid;
  const int error = posix_spawnp(&pid, program, &actions, NULL, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[0]);
  int status;
  if (error != 0 || waitpid(pid, &status, 0) != pid) return -1;
  return status;
}

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const long count = atol(argv[1]);
  const int fd = argc > 3 ? open(argv[3], O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
  if (argc > 3 && fd < 0) return 1;
  for (long i = 0; i < count; i++) {
    if (run_once(argv[2]) != 0) return 1;
    if (fd < 0) continue;
    char number[32];
    const int length = snprintf(number, sizeof number, "%ld\n", i);
    if (pwrite(fd, number, (size_t)length, 0) != length || fdatasync(fd) != 0) return 1;
  }
  return 0;
}
