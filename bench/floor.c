/* The floor: the least that any tool has to do to switch a function in a stopped process.
   SEIZE every thread, INTERRUPT every thread, wait for all, write five bytes, detach.

   floor PID ADDRESS       one switch for each line on standard input, then "ok" */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS_MAX = 4096 };

static int list_threads(const char *path, int *tids) {
  DIR *folder = opendir(path);
  struct dirent *entry;
  int count = 0;
  if (folder == NULL) exit(1);
  while ((entry = readdir(folder)) != NULL && count < THREADS_MAX)
    if (entry->d_name[0] != '.') tids[count++] = atoi(entry->d_name);
  closedir(folder);
  return count;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  static int tids[THREADS_MAX];
  char path[64], line[16], bytes[5];
  uint64_t address = strtoull(argv[2], NULL, 16);
  snprintf(path, sizeof path, "/proc/%s/mem", argv[1]);
  int memory = open(path, O_RDWR);
  if (memory < 0 || pread(memory, bytes, 5, (off_t)address) != 5) return 1;
  snprintf(path, sizeof path, "/proc/%s/task", argv[1]);
  while (fgets(line, sizeof line, stdin) != NULL) {
    int count = list_threads(path, tids), status;
    for (int i = 0; i < count; i++)
      if (ptrace(PTRACE_SEIZE, tids[i], 0, 0) != 0) return 1;
    for (int i = 0; i < count; i++) ptrace(PTRACE_INTERRUPT, tids[i], 0, 0);
    for (int i = 0; i < count; i++) waitpid(tids[i], &status, __WALL);
    if (pwrite(memory, bytes, 5, (off_t)address) != 5) return 1;
    for (int i = 0; i < count; i++) ptrace(PTRACE_DETACH, tids[i], 0, 0);
    puts("ok");
    fflush(stdout);
  }
  return 0;
}
