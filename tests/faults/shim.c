/* Between a process and its disk: every call that changes something under one folder is counted, written down, and made
 * to fail where that is asked for. Loaded with LD_PRELOAD, so that it is under SQLite too; see shim.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NONE, ONCE, FULL, SHORT, DEAD };
enum { FILES = 4096 };

static char root[PATH_MAX];
static long calls, at;
static int fault, error_number, journal = -1;
static ino_t watched[FILES]; /* by descriptor; 0 for what is none of ours */

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

/* The interface: see Shim in shim.py. */
void disk_arm(const char *folder, long number, int kind, int code, int log) {
    strcpy(root, folder);
    calls = 0, at = number, fault = kind, error_number = code, journal = log;
}

long disk_disarm(void) {
    root[0] = 0;
    return calls;
}

struct line {
    char kind;
    uint64_t file, number;
    uint32_t first, second;
} __attribute__((packed));

static void note(char kind, ino_t file, uint64_t number, const void *first, size_t some, const void *second, size_t more) {
    if (journal < 0) return;
    int before = errno;
    struct line line = {kind, file, number, some, more};
    struct iovec parts[] = {{&line, sizeof line}, {(void *)first, some}, {(void *)second, more}};
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    if (real(journal, parts, 3) != (ssize_t)(sizeof line + some + more)) abort();
    errno = before;
}

/* Whether this call is to fail, with errno set. After the one that failed, a full disk has no room either, and a dead one
 * takes nothing any more. */
static int fails(int needs_room) {
    long number = ++calls;
    int struck = number == at && fault != NONE && fault != SHORT;
    if (number > at && (fault == DEAD || (fault == FULL && needs_room))) struck = 1;
    if (struck) errno = error_number;
    return struck;
}

/* A call that failed of itself: it has a number too. */
static int failed(void) {
    note('F', 0, 0, "", 0, "", 0);
    return -1;
}

/* How much of a write is taken. */
static size_t share(size_t size) { return fault == SHORT && calls == at && size > 1 ? size / 2 : size; }

static int ours(int folder, const char *path, char *whole) {
    char base[PATH_MAX] = "";
    if (!root[0]) return 0;
    if (path[0] != '/') {
        if (folder == AT_FDCWD) {
            if (!getcwd(base, sizeof base)) return 0;
        } else {
            char link[64];
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
            ssize_t length = readlink(link, base, sizeof base - 1);
            if (length < 0) return 0;
            base[length] = 0;
        }
        strncat(base, "/", sizeof base - strlen(base) - 1);
    }
    snprintf(whole, PATH_MAX, "%.2000s%.2000s", base, path);
    size_t length = strlen(root);
    return !strncmp(whole, root, length) && (whole[length] == '/' || !whole[length]);
}

static int watch(int descriptor) {
    struct stat found;
    if (descriptor >= FILES || fstat(descriptor, &found)) abort();
    watched[descriptor] = found.st_ino;
    return descriptor;
}

static ino_t of(int descriptor) { return root[0] && descriptor >= 0 && descriptor < FILES ? watched[descriptor] : 0; }

static int opened(int folder, const char *path, int flags, mode_t mode) {
    char whole[PATH_MAX];
    REAL(int, "openat64", int, const char *, int, ...);
    if (!ours(folder, path, whole)) {
        int descriptor = real(folder, path, flags, mode);
        if (descriptor >= 0 && descriptor < FILES) watched[descriptor] = 0;
        return descriptor;
    }
    int absent = faccessat(folder, path, F_OK, AT_SYMLINK_NOFOLLOW) != 0;
    int makes = (flags & O_CREAT) && absent;
    int counts = makes || (flags & O_ACCMODE) != O_RDONLY;
    if (counts) {
        if ((flags & O_TMPFILE) == O_TMPFILE || (flags & O_APPEND)) abort(); /* not written down rightly here */
        if (fails(makes)) return -1;
    }
    int descriptor = real(folder, path, flags, mode);
    if (descriptor < 0) return counts ? failed() : -1;
    ino_t file = of(watch(descriptor));
    struct stat found;
    if (fstat(descriptor, &found)) abort();
    if (makes) note('C', file, found.st_mode & 07777, whole, strlen(whole), "", 0);
    else if (counts) note(flags & O_TRUNC ? 'T' : 'O', file, 0, "", 0, "", 0);
    return descriptor;
}

#define MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { \
        va_list rest; \
        va_start(rest, flags); \
        mode = va_arg(rest, mode_t); \
        va_end(rest); \
    }

int open(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int openat(int folder, const char *path, int flags, ...) { MODE(flags) return opened(folder, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { MODE(flags) return opened(folder, path, flags, mode); }

int close(int descriptor) {
    REAL(int, "close", int);
    if (descriptor >= 0 && descriptor < FILES) watched[descriptor] = 0;
    return real(descriptor);
}

ssize_t write(int descriptor, const void *content, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    ino_t file = of(descriptor);
    if (!file) return real(descriptor, content, size);
    if (fails(1)) return -1;
    off_t offset = lseek(descriptor, 0, SEEK_CUR);
    ssize_t written = real(descriptor, content, share(size));
    if (written < 0) return failed();
    note('W', file, offset, "", 0, content, written);
    return written;
}

ssize_t pwrite64(int descriptor, const void *content, size_t size, off64_t offset) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    ino_t file = of(descriptor);
    if (!file) return real(descriptor, content, size, offset);
    if (fails(1)) return -1;
    ssize_t written = real(descriptor, content, share(size), offset);
    if (written < 0) return failed();
    note('W', file, offset, "", 0, content, written);
    return written;
}

ssize_t pwrite(int descriptor, const void *content, size_t size, off_t offset) {
    return pwrite64(descriptor, content, size, offset);
}

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    if (of(descriptor)) abort(); /* nobody here writes so */
    return real(descriptor, parts, count);
}

/* Whoever copies inside the kernel is told to go on by reading and writing. */
ssize_t sendfile64(int out, int in, off64_t *offset, size_t count) {
    REAL(ssize_t, "sendfile64", int, int, off64_t *, size_t);
    if (of(out)) return errno = EINVAL, -1;
    return real(out, in, offset, count);
}

ssize_t sendfile(int out, int in, off_t *offset, size_t count) { return sendfile64(out, in, offset, count); }

ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t count, unsigned flags) {
    REAL(ssize_t, "copy_file_range", int, off64_t *, int, off64_t *, size_t, unsigned);
    if (of(out)) return errno = EINVAL, -1;
    return real(in, from, out, to, count, flags);
}

static int synced(int descriptor, const char *name) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    ino_t file = of(descriptor);
    if (!file) return real(descriptor);
    if (fails(0)) return -1;
    if (real(descriptor)) return failed();
    note('S', file, 0, "", 0, "", 0);
    return 0;
}

int fsync(int descriptor) { return synced(descriptor, "fsync"); }
int fdatasync(int descriptor) { return synced(descriptor, "fdatasync"); }

int ftruncate64(int descriptor, off64_t size) {
    REAL(int, "ftruncate64", int, off64_t);
    ino_t file = of(descriptor);
    if (!file) return real(descriptor, size);
    struct stat found;
    if (fails(!fstat(descriptor, &found) && size > found.st_size)) return -1;
    if (real(descriptor, size)) return failed();
    note('T', file, size, "", 0, "", 0);
    return 0;
}

int ftruncate(int descriptor, off_t size) { return ftruncate64(descriptor, size); }

int posix_fallocate64(int descriptor, off64_t offset, off64_t size) {
    REAL(int, "posix_fallocate64", int, off64_t, off64_t);
    if (of(descriptor)) abort(); /* nobody here does */
    return real(descriptor, offset, size);
}

int renameat(int from, const char *old, int to, const char *new) {
    char first[PATH_MAX], second[PATH_MAX];
    REAL(int, "renameat", int, const char *, int, const char *);
    if (!ours(from, old, first) || !ours(to, new, second)) return real(from, old, to, new);
    if (fails(1)) return -1;
    if (real(from, old, to, new)) return failed();
    note('R', 0, 0, first, strlen(first), second, strlen(second));
    return 0;
}

int rename(const char *old, const char *new) { return renameat(AT_FDCWD, old, AT_FDCWD, new); }

int unlinkat(int folder, const char *path, int flags) {
    char whole[PATH_MAX];
    REAL(int, "unlinkat", int, const char *, int);
    if (!ours(folder, path, whole)) return real(folder, path, flags);
    if (fails(0)) return -1;
    if (real(folder, path, flags)) return failed();
    note('U', 0, 0, whole, strlen(whole), "", 0);
    return 0;
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int folder, const char *path, mode_t mode) {
    char whole[PATH_MAX];
    REAL(int, "mkdirat", int, const char *, mode_t);
    if (!ours(folder, path, whole)) return real(folder, path, mode);
    struct stat made;
    if (fails(1)) return -1;
    if (real(folder, path, mode) || fstatat(folder, path, &made, 0)) return failed();
    note('M', made.st_ino, made.st_mode & 07777, whole, strlen(whole), "", 0);
    return 0;
}

int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

static int changed_mode(int folder, const char *path, mode_t mode, int flags) {
    char whole[PATH_MAX];
    struct stat found;
    REAL(int, "fchmodat", int, const char *, mode_t, int);
    if (!ours(folder, path, whole)) return real(folder, path, mode, flags);
    if (fails(0)) return -1;
    if (real(folder, path, mode, flags) || fstatat(folder, path, &found, 0)) return failed();
    note('H', found.st_ino, mode, "", 0, "", 0);
    return 0;
}

int fchmodat(int folder, const char *path, mode_t mode, int flags) { return changed_mode(folder, path, mode, flags); }
int chmod(const char *path, mode_t mode) { return changed_mode(AT_FDCWD, path, mode, 0); }

int fchmod(int descriptor, mode_t mode) {
    REAL(int, "fchmod", int, mode_t);
    ino_t file = of(descriptor);
    if (!file) return real(descriptor, mode);
    if (fails(0)) return -1;
    if (real(descriptor, mode)) return failed();
    note('H', file, mode, "", 0, "", 0);
    return 0;
}

static int refused(int folder, const char *path) {
    char whole[PATH_MAX];
    if (ours(folder, path, whole)) abort(); /* nobody here makes links; they would have to be written down */
    return 0;
}

int linkat(int from, const char *old, int to, const char *new, int flags) {
    REAL(int, "linkat", int, const char *, int, const char *, int);
    return refused(to, new) ? -1 : real(from, old, to, new, flags);
}

int link(const char *old, const char *new) { return linkat(AT_FDCWD, old, AT_FDCWD, new, 0); }

int symlinkat(const char *target, int folder, const char *path) {
    REAL(int, "symlinkat", const char *, int, const char *);
    return refused(folder, path) ? -1 : real(target, folder, path);
}

int symlink(const char *target, const char *path) { return symlinkat(target, AT_FDCWD, path); }
