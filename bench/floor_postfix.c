/* The least that reading Postfix's deferred queue costs: open and read, once, each queue file and its defer log.
   Usage: floor_postfix QUEUE_DIRECTORY. Prints the number of messages, of bytes read, and the seconds. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static char buffer[16384];
static long long bytes, count;

static void read_once(int directory, const char *name)
{
    ssize_t got;
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return;
    got = read(fd, buffer, sizeof buffer);
    if (got > 0)
        bytes += got;
    close(fd);
}

static void walk(int deferred, int defer)
{
    struct dirent *entry;
    DIR *here = fdopendir(deferred);

    if (here == NULL)
        return;
    while ((entry = readdir(here)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        if (entry->d_type == DT_DIR) {
            int log = openat(defer, entry->d_name, O_RDONLY | O_DIRECTORY);

            walk(openat(dirfd(here), entry->d_name, O_RDONLY | O_DIRECTORY), log);
            if (log >= 0)
                close(log);
            continue;
        }
        read_once(dirfd(here), entry->d_name);
        read_once(defer, entry->d_name);
        count++;
    }
    closedir(here);
}

int main(int argc, char **argv)
{
    struct timespec start, end;

    if (argc != 2 || chdir(argv[1]) < 0) {
        perror("floor_postfix");
        return 1;
    }
    clock_gettime(CLOCK_MONOTONIC, &start);
    walk(open("deferred", O_RDONLY | O_DIRECTORY), open("defer", O_RDONLY | O_DIRECTORY));
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%lld %lld %.3f\n", count, bytes,
           (end.tv_sec - start.tv_sec) + (end.tv_nsec - start.tv_nsec) / 1e9);
    return 0;
}
