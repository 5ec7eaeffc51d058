/* Stands before the C library's file functions (LD_PRELOAD) of one process and its children.
 *
 * DISK_FOLDER   only files below this folder are looked at
 * DISK_JOURNAL  file to which every write, truncation and completed flush of theirs is appended, in order:
 *               kind (W, T, B: flush begins, S: flush is complete), length of the path (u16), path, offset (u64),
 *               length of the data (u32), data
 * DISK_DELAY_US how much longer each flush takes, as on an SD card
 * DISK_COUNT    file whose first eight bytes count the flushes
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static ssize_t (*real_pwrite)(int, const void *, size_t, off64_t);
static ssize_t (*real_write)(int, const void *, size_t);
static int (*real_ftruncate)(int, off64_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static const char *folder;
static int journal = -1;
static useconds_t delay;
static uint64_t *count;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void begin(void) {
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_write = dlsym(RTLD_NEXT, "write");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    folder = getenv("DISK_FOLDER");
    const char *name = getenv("DISK_JOURNAL");
    if (name) journal = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const char *us = getenv("DISK_DELAY_US");
    if (us) delay = (useconds_t)atol(us);
    name = getenv("DISK_COUNT");
    if (name) {
        int file = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (file >= 0 && real_ftruncate(file, 8) == 0)
            count = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (count == MAP_FAILED) count = NULL;
    }
}

/* Returns the length of the path of a file that is looked at, or 0. */
static uint16_t looked_at(int file, char *path) {
    char link[40];
    if (!folder) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, 1000);
    size_t prefix = strlen(folder);
    return length > (ssize_t)prefix && !memcmp(path, folder, prefix) ? (uint16_t)length : 0;
}

static void note(char kind, int file, off64_t offset, const void *data, size_t size) {
    char path[1000];
    uint16_t length;
    if (journal < 0 || !(length = looked_at(file, path))) return;
    uint64_t at = (uint64_t)offset;
    uint32_t bytes = (uint32_t)size;
    struct iovec parts[] = {{&kind, 1}, {&length, 2}, {path, length}, {&at, 8}, {&bytes, 4}, {(void *)data, size}};
    pthread_mutex_lock(&turn);
    if (writev(journal, parts, data ? 6 : 5) < 0) abort();
    pthread_mutex_unlock(&turn);
}

ssize_t pwrite64(int file, const void *data, size_t size, off64_t offset) {
    note('W', file, offset, data, size);
    return real_pwrite(file, data, size, offset);
}

ssize_t pwrite(int file, const void *data, size_t size, off_t offset) { return pwrite64(file, data, size, offset); }

ssize_t write(int file, const void *data, size_t size) {
    if (journal >= 0 && file > 2) note('W', file, lseek64(file, 0, SEEK_CUR), data, size);
    return real_write(file, data, size);
}

int ftruncate64(int file, off64_t size) {
    note('T', file, size, NULL, 0);
    return real_ftruncate(file, size);
}

int ftruncate(int file, off_t size) { return ftruncate64(file, size); }

static int flush(int file, int (*real)(int)) {
    char path[1000];
    if (!looked_at(file, path)) return real(file);
    note('B', file, 0, NULL, 0);
    if (delay) usleep(delay);
    int result = real(file);
    if (count) __atomic_add_fetch(count, 1, __ATOMIC_RELAXED);
    if (result == 0) note('S', file, 0, NULL, 0);
    return result;
}

int fsync(int file) { return flush(file, real_fsync); }
int fdatasync(int file) { return flush(file, real_fdatasync); }
