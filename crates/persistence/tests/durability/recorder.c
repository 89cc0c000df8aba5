/* Preloaded into the child: writes down, in their order, what it writes to the database, what it asks the disk to keep, and
 * what it says on standard output. Nothing is kept by a disk meanwhile: what a loss of power would leave is computed from the
 * record (power.rs), for any instant and any luck with what was not synced.
 *
 * An entry is a struct entry, then `length` bytes. The fields are in the order of the machine. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FILES_MAX = 1024 };
enum { NOT_OURS, MAIN, LOG };

struct entry {
    uint32_t kind; /* 'w'rite, 't'runcate, 'b'egin and 'e'nd of a sync, 's'aid */
    uint32_t file;
    uint32_t thread;
    uint32_t length;
    uint64_t place; /* where it is written; the length to truncate to; the number of the sync */
};

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static int record = -1;
static unsigned char files[FILES_MAX];
static uint64_t syncs;

static void note(uint32_t kind, int file, uint64_t place, const void *bytes, size_t length) {
    if (record < 0) {
        const char *path = getenv("DURABILITY_RECORD");
        record = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
    struct entry entry = {kind, (uint32_t)file, (uint32_t)syscall(SYS_gettid), (uint32_t)length, place};
    struct iovec parts[] = {{&entry, sizeof entry}, {(void *)bytes, length}};
    if (syscall(SYS_writev, record, parts, 2) != (long)(sizeof entry + length)) {
        abort();
    }
}

static int file_of(int fd) { return fd >= 0 && fd < FILES_MAX ? files[fd] : NOT_OURS; }

static int opened(int fd, const char *path) {
    if (fd >= 0 && fd < FILES_MAX) {
        const char *dot = strrchr(path, '.');
        files[fd] = dot == NULL ? NOT_OURS : strcmp(dot, ".db") == 0 ? MAIN : strcmp(dot, ".db-wal") == 0 ? LOG : NOT_OURS;
    }
    return fd;
}

#define OPEN(name)                                                                                                      \
    int name(const char *path, int flags, ...) {                                                                        \
        va_list rest;                                                                                                   \
        va_start(rest, flags);                                                                                          \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;                                         \
        va_end(rest);                                                                                                   \
        return opened(openat(AT_FDCWD, path, flags, mode), path);                                                       \
    }
OPEN(open)
OPEN(open64)

int close(int fd) {
    if (file_of(fd) != NOT_OURS) {
        files[fd] = NOT_OURS;
    }
    return (int)syscall(SYS_close, fd);
}

static ssize_t write_at(int fd, const void *bytes, size_t length, off64_t place) {
    if (file_of(fd) == NOT_OURS) {
        return syscall(SYS_pwrite64, fd, bytes, length, place);
    }
    pthread_mutex_lock(&turn);
    ssize_t written = syscall(SYS_pwrite64, fd, bytes, length, place);
    if (written > 0) {
        note('w', file_of(fd), (uint64_t)place, bytes, (size_t)written);
    }
    pthread_mutex_unlock(&turn);
    return written;
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t place) { return write_at(fd, bytes, length, place); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t place) { return write_at(fd, bytes, length, place); }

ssize_t write(int fd, const void *bytes, size_t length) {
    if (file_of(fd) != NOT_OURS) {
        abort(); /* SQLite writes at places. */
    }
    if (fd != STDOUT_FILENO) {
        return syscall(SYS_write, fd, bytes, length);
    }
    pthread_mutex_lock(&turn);
    ssize_t written = syscall(SYS_write, fd, bytes, length);
    if (written > 0) {
        note('s', NOT_OURS, 0, bytes, (size_t)written);
    }
    pthread_mutex_unlock(&turn);
    return written;
}

static int truncate_to(int fd, off64_t length) {
    pthread_mutex_lock(&turn);
    int result = (int)syscall(SYS_ftruncate, fd, length);
    if (result == 0 && file_of(fd) != NOT_OURS) {
        note('t', file_of(fd), (uint64_t)length, NULL, 0);
    }
    pthread_mutex_unlock(&turn);
    return result;
}
int ftruncate(int fd, off_t length) { return truncate_to(fd, length); }
int ftruncate64(int fd, off64_t length) { return truncate_to(fd, length); }

static int sync_file(int fd) {
    if (file_of(fd) == NOT_OURS) {
        return 0;
    }
    pthread_mutex_lock(&turn);
    uint64_t number = ++syncs;
    note('b', file_of(fd), number, NULL, 0);
    pthread_mutex_unlock(&turn);
    usleep(100); /* As a disk: others go on meanwhile. */
    pthread_mutex_lock(&turn);
    note('e', file_of(fd), number, NULL, 0);
    pthread_mutex_unlock(&turn);
    return 0;
}
int fsync(int fd) { return sync_file(fd); }
int fdatasync(int fd) { return sync_file(fd); }
