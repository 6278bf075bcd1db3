/* SPDX-License-Identifier: BSD-3-Clause */
/* Preloaded into chaosd: the FAIL_AT'th call of FAIL_CALL fails. FAIL_COUNT names a file of one u32
 * a kind that says how many calls there were. */
#undef _FILE_OFFSET_BITS /* both names of a call are wanted here */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { IOCTL, MMAP, OPEN, WRITE, MALLOC, KINDS };
static const char *const names[KINDS] = {"ioctl", "mmap", "open", "write", "malloc"};
static const int errors[KINDS] = {ENOMEM, ENOMEM, EMFILE, ENOSPC, ENOMEM};

static uint32_t unseen[KINDS];
static uint32_t *count = unseen;
static uint32_t fail_at;
static int fail_kind = -1;

/* glibc's own, without which nothing here could be called early. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

__attribute__((constructor)) static void begin(void)
{
	const char *kind = getenv("FAIL_CALL");
	const char *at = getenv("FAIL_AT");
	const char *file = getenv("FAIL_COUNT");
	long fd =
		file ? syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;

	if (fd >= 0 && ftruncate((int)fd, sizeof(unseen)) == 0) {
		long map = syscall(SYS_mmap, 0, sizeof(unseen), PROT_READ | PROT_WRITE, MAP_SHARED,
				   fd, 0);

		if (map > 0)
			count = (uint32_t *)map; /* NOLINT(performance-no-int-to-ptr) */
	}
	if (fd >= 0)
		(void)syscall(SYS_close, fd);
	fail_at = at ? (uint32_t)strtoul(at, NULL, 10) : 0;
	for (int i = 0; kind && i < KINDS; i++)
		if (strcmp(kind, names[i]) == 0)
			fail_kind = i;
	(void)unsetenv("LD_PRELOAD"); /* not for what it starts */
}

static int fails(int kind)
{
	uint32_t n = __atomic_add_fetch(&count[kind], 1, __ATOMIC_RELAXED);

	if (kind != fail_kind || n != fail_at)
		return 0;
	errno = errors[kind];
	return 1;
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	return fails(IOCTL) ? -1 : (int)syscall(SYS_ioctl, fd, request, arg);
}

void *mmap64(void *at, size_t n, int prot, int flags, int fd, off64_t off)
{
	if (fails(MMAP))
		return MAP_FAILED;
	/* NOLINTNEXTLINE(performance-no-int-to-ptr) */
	return (void *)syscall(SYS_mmap, at, n, prot, flags, fd, off);
}

void *mmap(void *at, size_t n, int prot, int flags, int fd, off_t off)
{
	return mmap64(at, n, prot, flags, fd, off);
}

int open64(const char *path, int flags, ...)
{
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = va_arg(ap, int);
	va_end(ap);
	return fails(OPEN) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = va_arg(ap, int);
	va_end(ap);
	return open64(path, flags, mode);
}

ssize_t write(int fd, const void *buf, size_t n)
{
	return fails(WRITE) ? -1 : syscall(SYS_write, fd, buf, n);
}

ssize_t pwrite64(int fd, const void *buf, size_t n, off64_t at)
{
	return fails(WRITE) ? -1 : syscall(SYS_pwrite64, fd, buf, n, at);
}

void *malloc(size_t n)
{
	return fails(MALLOC) ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	return fails(MALLOC) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	return fails(MALLOC) ? NULL : __libc_realloc(p, n);
}
