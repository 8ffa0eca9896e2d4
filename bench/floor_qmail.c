/* The least that reading a qmail queue costs: open and read, once, the files of each message.
   Usage: floor_qmail QUEUE. Prints the number of messages, of bytes read, and the seconds that it took. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char buffer[16384];
static long long bytes;

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

int main(int argc, char **argv)
{
    static const char *names[] = {"info", "local", "remote"};
    struct timespec start, end;
    struct dirent *split, *entry;
    long long count = 0;
    DIR *mess;

    if (argc != 2 || chdir(argv[1]) < 0 || (mess = opendir("mess")) == NULL) {
        perror("floor_qmail");
        return 1;
    }
    clock_gettime(CLOCK_MONOTONIC, &start);
    while ((split = readdir(mess)) != NULL) {
        char path[300];
        int others[3];
        DIR *here;
        int i;

        if (split->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "mess/%s", split->d_name);
        if ((here = opendir(path)) == NULL)
            continue;
        for (i = 0; i < 3; i++) {
            snprintf(path, sizeof path, "%s/%s", names[i], split->d_name);
            others[i] = open(path, O_RDONLY | O_DIRECTORY);
        }
        while ((entry = readdir(here)) != NULL) {
            if (entry->d_name[0] == '.')
                continue;
            read_once(dirfd(here), entry->d_name);
            for (i = 0; i < 3; i++)
                read_once(others[i], entry->d_name);
            count++;
        }
        for (i = 0; i < 3; i++)
            close(others[i]);
        closedir(here);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%lld %lld %.3f\n", count, bytes,
           (end.tv_sec - start.tv_sec) + (end.tv_nsec - start.tv_nsec) / 1e9);
    return 0;
}
