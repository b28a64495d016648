/*
 * A disk that can fail, for tests only: preloaded into the program under test, it journals what is
 * written to a database file and its log and what is synced, and fails where it is told to.
 *
 * JIAOYI_FAULTS       folder with `switches` (five 32-bit numbers, below) and `journal`
 * JIAOYI_FAULTS_DATA  the database file; its log is the same name with -wal
 *
 * A journal record is: kind, file, two zero bytes, length (32 bit), offset (64 bit), data.
 *   W data was written at an offset       T the file was cut to a size (in the offset)
 *   S the file was synced                 E a sync failed and was reported
 *   U the file was removed
 * The test rebuilds from it what a disk would hold after a power cut.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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
	uint64_t offset;
};

/* As Linux has it: every handle of a file is told once of a failed sync, whoever's it was. */
static uint32_t failures[2], told[4096];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile struct switches *switches;
static int journal = -1;
static char data[4096], wal[4096 + 8];

__attribute__((constructor)) static void begin(void)
{
	const char *folder = getenv("JIAOYI_FAULTS"), *file = getenv("JIAOYI_FAULTS_DATA");
	char path[4096 + 16];
	if (!folder || !file || strlen(file) >= sizeof data)
		return;
	strcpy(data, file);
	snprintf(wal, sizeof wal, "%s-wal", data);
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

/* 0 the database, 1 its log, -1 anything else. */
static int which_path(const char *path)
{
	if (!switches)
		return -1;
	return strcmp(path, data) == 0 ? 0 : strcmp(path, wal) == 0 ? 1 : -1;
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

static void note(char kind, int file, uint64_t offset, const void *bytes, uint32_t length)
{
	struct record record = { kind, (char)file, { 0, 0 }, length, offset };
	syscall(SYS_write, journal, &record, sizeof record);
	if (length > 0)
		syscall(SYS_write, journal, bytes, (size_t)length);
}

static int grows(int fd, off_t end)
{
	struct stat stat;
	return switches->full && fstat(fd, &stat) == 0 && end > stat.st_size;
}

static ssize_t write_at(int fd, int file, const void *bytes, size_t count, off_t offset, int move)
{
	ssize_t done = -1;
	pthread_mutex_lock(&lock);
	if (grows(fd, offset + (off_t)count)) {
		errno = ENOSPC;
	} else {
		done = move ? syscall(SYS_write, fd, bytes, count)
			    : syscall(SYS_pwrite64, fd, bytes, count, offset);
		if (done > 0)
			note('W', file, (uint64_t)offset, bytes, (uint32_t)done);
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
	if (grows(fd, size)) {
		errno = ENOSPC;
	} else {
		done = (int)syscall(SYS_ftruncate, fd, size);
		if (done == 0)
			note('T', file, (uint64_t)size, NULL, 0);
	}
	pthread_mutex_unlock(&lock);
	return done;
}

int ftruncate(int fd, off_t size)
{
	return ftruncate64(fd, size);
}

static int sync_with(long call, int fd)
{
	int file = which(fd), done = 0;
	if (file < 0)
		return (int)syscall(call, fd);
	pthread_mutex_lock(&lock);
	uint32_t number = ++switches->syncs;
	int fails = switches->fail_every && number % switches->fail_every == 0;
	if (fails)
		++failures[file];
	uint32_t *known = &told[fd % 4096];
	if (fails || *known != failures[file]) {
		*known = failures[file];
		++switches->failed;
		note('E', file, 0, NULL, 0);
		errno = EIO;
		done = -1;
	} else if (!switches->lying) {
		done = (int)syscall(call, fd);
		if (done == 0)
			note('S', file, 0, NULL, 0);
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

int unlink(const char *path)
{
	int file = which_path(path);
	pthread_mutex_lock(&lock);
	int done = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
	if (done == 0 && file >= 0)
		note('U', file, 0, NULL, 0);
	pthread_mutex_unlock(&lock);
	return done;
}
