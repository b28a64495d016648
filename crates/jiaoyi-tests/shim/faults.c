/*
 * A disk that can fail, for tests only: preloaded into the program under test, it journals what is
 * written to its database and what is synced, and fails where it is told to.
 *
 * JIAOYI_FAULTS       folder with `switches` (five 32-bit numbers, below) and `journal`
 * JIAOYI_FAULTS_DATA  the database file; its log is the same name with -wal
 * JIAOYI_FAULTS_TREE  or the folder of a database server, whose files are told apart by their inodes
 *
 * A journal record is: kind, file, two zero bytes, length (32 bit), offset, inode (64 bit each), data.
 *   W data was written at an offset       T the file was cut to a size (in the offset)
 *   S the file was synced                 E a sync failed and was reported
 *   U the file was removed                in a tree also
 *   N the file is new                     B a sync begins
 * The test rebuilds from it what a disk would hold after a power cut. Names are taken to be on the disk
 * at once.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

struct switches {
	uint32_t fail_every; /* every so many-th sync fails; 0 never */
	uint32_t full;       /* whether no file can grow */
	uint32_t lying;      /* whether a sync does nothing and says it did */
	uint32_t syncs;      /* how many were asked for */
	uint32_t failed;     /* how many failed */
};

struct record {
	char kind, file, zero[2];
	uint32_t length;
	uint64_t offset, inode;
};

enum { DATABASE, LOG, TREE };

/*
 * As Linux has it: every handle of a file is told once of a failed sync, whoever's it was. In a tree only
 * the handle that asked is told, which is harder on the server.
 */
static uint32_t failures[2], told[4096];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile struct switches *switches;
static int journal = -1;
static char data[4096], wal[4096 + 8];
/* The folder of a server; empty without one. */
static char tree[4096];

__attribute__((constructor)) static void begin(void)
{
	const char *folder = getenv("JIAOYI_FAULTS"), *file = getenv("JIAOYI_FAULTS_DATA");
	const char *server = getenv("JIAOYI_FAULTS_TREE");
	char path[4096 + 16];
	if (!folder || (!file && !server))
		return;
	snprintf(data, sizeof data, "%s", file ? file : "");
	snprintf(wal, sizeof wal, "%s-wal", data);
	snprintf(tree, sizeof tree, "%s", server ? server : "");
	snprintf(path, sizeof path, "%s/switches", folder);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	void *at = mmap(NULL, sizeof *switches, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return;
	snprintf(path, sizeof path, "%s/journal", folder);
	journal = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (journal >= 0)
		switches = at;
}

/* A server names its files from within its folder, or by the whole path. */
static int is_within(const char *path)
{
	size_t length = strlen(tree);
	return path[0] != '/' || (strncmp(path, tree, length) == 0 && path[length] == '/');
}

/* Which of the three it is; -1 anything else. */
static int which_path(const char *path)
{
	if (!switches)
		return -1;
	if (tree[0])
		return is_within(path) ? TREE : -1;
	return strcmp(path, data) == 0 ? DATABASE : strcmp(path, wal) == 0 ? LOG : -1;
}

static int which(int fd)
{
	char link[32], path[4096 + 8];
	if (!switches)
		return -1;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, path, sizeof path - 1);
	if (length < 0)
		return -1;
	path[length] = 0;
	return which_path(path);
}

/* One call a record: processes of a server write between each other. */
static void note(char kind, int file, uint64_t inode, uint64_t offset, const void *bytes, uint32_t length)
{
	struct record record = { kind, (char)file, { 0, 0 }, length, offset, inode };
	struct iovec parts[2] = { { &record, sizeof record }, { (void *)bytes, length } };
	syscall(SYS_writev, journal, parts, length > 0 ? 2L : 1L);
}

/* Of the files of a tree alone: the others are told apart by their names. */
static uint64_t inode_of(int fd, int file)
{
	struct stat stat;
	return file == TREE && fstat(fd, &stat) == 0 ? stat.st_ino : 0;
}

/* Whether there is no room for what would end there. */
static int lacks_room(int fd, off_t end)
{
	struct stat stat;
	return switches->full && fstat(fd, &stat) == 0 && end > stat.st_size;
}

static ssize_t write_at(int fd, int file, const void *bytes, size_t count, off_t offset, int move)
{
	ssize_t done = -1;
	pthread_mutex_lock(&lock);
	if (lacks_room(fd, offset + (off_t)count)) {
		errno = ENOSPC;
	} else {
		done = move ? syscall(SYS_write, fd, bytes, count)
			    : syscall(SYS_pwrite64, fd, bytes, count, offset);
		if (done > 0)
			note('W', file, inode_of(fd, file), (uint64_t)offset, bytes, (uint32_t)done);
	}
	pthread_mutex_unlock(&lock);
	return done;
}

ssize_t write(int fd, const void *bytes, size_t count)
{
	int file = which(fd);
	if (file < 0)
		return syscall(SYS_write, fd, bytes, count);
	return write_at(fd, file, bytes, count, lseek(fd, 0, SEEK_CUR), 1);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset)
{
	int file = which(fd);
	if (file < 0)
		return syscall(SYS_pwrite64, fd, bytes, count, offset);
	return write_at(fd, file, bytes, count, offset, 0);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset)
{
	return pwrite64(fd, bytes, count, offset);
}

int ftruncate64(int fd, off64_t size)
{
	int file = which(fd), done = -1;
	if (file < 0)
		return (int)syscall(SYS_ftruncate, fd, size);
	pthread_mutex_lock(&lock);
	if (lacks_room(fd, size)) {
		errno = ENOSPC;
	} else {
		done = (int)syscall(SYS_ftruncate, fd, size);
		if (done == 0)
			note('T', file, inode_of(fd, file), (uint64_t)size, NULL, 0);
	}
	pthread_mutex_unlock(&lock);
	return done;
}

int ftruncate(int fd, off_t size)
{
	return ftruncate64(fd, size);
}

/* Whether the sync that is asked for now fails; processes of a server ask at once. */
static int sync_fails(void)
{
	uint32_t number = __atomic_add_fetch(&switches->syncs, 1, __ATOMIC_SEQ_CST);
	uint32_t every = switches->fail_every;
	return every && number % every == 0;
}

static void tell_of_failure(int file, uint64_t inode)
{
	__atomic_add_fetch(&switches->failed, 1, __ATOMIC_SEQ_CST);
	note('E', file, inode, 0, NULL, 0);
	errno = EIO;
}

/* What another process writes while this one syncs is not synced by it. */
static int sync_in_tree(long call, int fd)
{
	uint64_t inode = inode_of(fd, TREE);
	if (sync_fails()) {
		tell_of_failure(TREE, inode);
		return -1;
	}
	if (switches->lying)
		return 0;
	note('B', TREE, inode, 0, NULL, 0);
	int done = (int)syscall(call, fd);
	if (done == 0)
		note('S', TREE, inode, 0, NULL, 0);
	return done;
}

static int sync_with(long call, int fd)
{
	int file = which(fd), done = 0;
	if (file < 0)
		return (int)syscall(call, fd);
	if (file == TREE)
		return sync_in_tree(call, fd);
	pthread_mutex_lock(&lock);
	int fails = sync_fails();
	if (fails)
		++failures[file];
	uint32_t *known = &told[fd % 4096];
	if (fails || *known != failures[file]) {
		*known = failures[file];
		tell_of_failure(file, 0);
		done = -1;
	} else if (!switches->lying) {
		done = (int)syscall(call, fd);
		if (done == 0)
			note('S', file, 0, 0, NULL, 0);
	}
	pthread_mutex_unlock(&lock);
	return done;
}

int fsync(int fd)
{
	return sync_with(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	return sync_with(SYS_fdatasync, fd);
}

/* The file of a name that is about to go, if it goes with the name; 0 otherwise. */
static uint64_t last_of(const char *path)
{
	struct stat found;
	return stat(path, &found) == 0 && found.st_nlink == 1 ? found.st_ino : 0;
}

int unlink(const char *path)
{
	int file = which_path(path);
	uint64_t inode = file == TREE ? last_of(path) : 0;
	pthread_mutex_lock(&lock);
	int done = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
	if (done == 0 && (inode || file == DATABASE || file == LOG))
		note('U', file, inode, 0, NULL, 0);
	pthread_mutex_unlock(&lock);
	return done;
}

/* What follows is used by a server alone. */

int rename(const char *from, const char *to)
{
	int file = which_path(to);
	struct stat source;
	uint64_t inode = file == TREE && stat(from, &source) == 0 ? last_of(to) : 0;
	int done = (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
	if (done == 0 && inode && inode != source.st_ino)
		note('U', file, inode, 0, NULL, 0);
	return done;
}

int truncate64(const char *path, off64_t size)
{
	int file = which_path(path);
	struct stat found;
	int done = (int)syscall(SYS_truncate, path, size);
	if (done == 0 && file == TREE && stat(path, &found) == 0)
		note('T', file, found.st_ino, (uint64_t)size, NULL, 0);
	return done;
}

int truncate(const char *path, off_t size)
{
	return truncate64(path, size);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset)
{
	int file = which(fd);
	off_t end = offset;
	for (int place = 0; place < count; ++place)
		end += (off_t)parts[place].iov_len;
	if (file == TREE && lacks_room(fd, end)) {
		errno = ENOSPC;
		return -1;
	}
	/* The offset in two words, as the call wants it; one holds it on 64 bit. */
	ssize_t done = syscall(SYS_pwritev, fd, parts, (long)count, offset, 0L);
	ssize_t left = file == TREE ? done : 0;
	for (int place = 0; place < count && left > 0; ++place) {
		size_t length = parts[place].iov_len < (size_t)left ? parts[place].iov_len : (size_t)left;
		note('W', file, inode_of(fd, file), (uint64_t)offset, parts[place].iov_base, (uint32_t)length);
		offset += (off64_t)length;
		left -= (ssize_t)length;
	}
	return done;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
	return pwritev64(fd, parts, count, offset);
}

static int open_with(const char *path, int flags, unsigned mode)
{
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	if (fd >= 0 && tree[0] && flags & (O_CREAT | O_TRUNC) && which(fd) == TREE) {
		struct stat stat;
		if (fstat(fd, &stat) == 0 && stat.st_size == 0)
			note('N', TREE, stat.st_ino, 0, NULL, 0);
	}
	return fd;
}

int open64(const char *path, int flags, ...)
{
	va_list more;
	va_start(more, flags);
	unsigned mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, unsigned) : 0;
	va_end(more);
	return open_with(path, flags, mode);
}

int open(const char *path, int flags, ...) __attribute__((alias("open64")));
