/* SPDX-License-Identifier: BSD-3-Clause */
/* Unpacks kernels in a child that can do nothing but compute, and keeps the result in a cache. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gcrypt.h>
#include <seccomp.h>

#include "libdom/image.h"
#include "libdom/unpack.h"

#define NOBODY	    65534
#define CACHE_KEEP  16
#define CPU_SECONDS 300 /* unpacking under emulation takes ten */

/* Shared between parent and child: the result, then the bytes. */
struct result {
	int rc;
	size_t len;
	_Alignas(4096) uint8_t bytes[];
};

bool image_is_packed(const uint8_t *file, size_t bytes)
{
	return bzimage_is(file, bytes) || (bytes >= 2 && file[0] == 0x1f && file[1] == 0x8b);
}

/* --- the child --- */

static int forbid(void)
{
	static const int allowed[] = {SCMP_SYS(brk),	  SCMP_SYS(mmap),	SCMP_SYS(munmap),
				      SCMP_SYS(mremap),	  SCMP_SYS(madvise),	SCMP_SYS(futex),
				      SCMP_SYS(exit),	  SCMP_SYS(exit_group), SCMP_SYS(mprotect),
				      SCMP_SYS(getrandom)};
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int rc = f ? 0 : -ENOMEM;

	for (size_t i = 0; rc == 0 && i < sizeof(allowed) / sizeof(allowed[0]); i++)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed[i], 0);
	if (rc == 0)
		rc = seccomp_load(f);
	seccomp_release(f);
	return rc;
}

static void give_up(int resource, rlim_t to)
{
	struct rlimit l = {to, to};

	(void)setrlimit(resource, &l);
}

__attribute__((noreturn)) static void child(const uint8_t *file, const struct packed *p,
					    struct result *r)
{
	(void)close_range(0, ~0u, 0);
	give_up(RLIMIT_CPU, CPU_SECONDS);
	give_up(RLIMIT_CORE, 0);
	give_up(RLIMIT_NOFILE, 0);
	if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
			       setresuid(NOBODY, NOBODY, NOBODY) < 0)) {
		r->rc = -EPERM;
		_exit(1);
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of user would clear it */
	(void)prctl(PR_SET_DUMPABLE, 0);
	r->rc = forbid();
	if (r->rc == 0)
		r->rc = packed_open(file, p, r->bytes, IMAGE_MAX_BYTES, &r->len);
	_exit(0);
}

/* --- the parent --- */

static int explain(int rc, const struct packed *p, struct err *e)
{
	if (rc == -E2BIG)
		return err_set(e, E2BIG, "the kernel inside is larger than %llu MiB",
			       IMAGE_MAX_BYTES >> 20);
	if (rc == -ENOMEM)
		return err_set(e, ENOMEM, "out of memory while unpacking %s", p->name);
	return err_set(e, ENOEXEC, "the %s data inside is damaged", p->name);
}

static int run(const uint8_t *file, const struct packed *p, uint8_t **out, size_t *len,
	       struct err *e)
{
	size_t room = sizeof(struct result) + IMAGE_MAX_BYTES;
	struct result *r = mmap(NULL, room, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int status = 0;
	pid_t pid;
	int rc;

	if (r == MAP_FAILED)
		return err_sys(e, errno, "memory for the unpacked kernel");
	r->rc = -EINTR;
	pid = fork();
	if (pid == 0)
		child(file, p, r);
	if (pid < 0) {
		rc = err_sys(e, errno, "start the unpacking child");
		goto out;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status)) {
		rc = err_set(e, ENOEXEC, "unpacking was ended by signal %d (hostile data?)",
			     WTERMSIG(status));
		goto out;
	}
	/* The child is gone: nothing changes the result any more. */
	rc = r->rc < 0 ? explain(r->rc, p, e) : 0;
	if (rc == 0 && r->len > IMAGE_MAX_BYTES)
		rc = err_set(e, ENOEXEC, "the unpacking child told nonsense");
	if (rc == 0) {
		*len = r->len;
		*out = malloc(r->len ? r->len : 1);
		if (*out)
			memcpy(*out, r->bytes, r->len);
		else
			rc = err_set(e, ENOMEM, "out of memory");
	}
out:
	(void)munmap(r, room);
	return rc;
}

/* --- the cache: one file a kernel, named by the SHA-256 of the packed file --- */

static void digest_of(const uint8_t *file, size_t bytes, char hex[65])
{
	uint8_t digest[32];

	if (!gcry_control(GCRYCTL_INITIALIZATION_FINISHED_P)) {
		(void)gcry_check_version(NULL);
		(void)gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
		(void)gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
	}
	gcry_md_hash_buffer(GCRY_MD_SHA256, digest, file, bytes);
	for (size_t i = 0; i < sizeof(digest); i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

int image_digest(int fd, char hex[65], struct err *e)
{
	uint8_t *file = NULL;
	size_t bytes = 0;
	int rc = image_read_fd(fd, &file, &bytes, e);

	if (rc == 0)
		digest_of(file, bytes, hex);
	free(file);
	return rc;
}

static void cache_name(const char *dir, const uint8_t *file, size_t bytes, char *out, size_t room)
{
	char hex[65];

	digest_of(file, bytes, hex);
	(void)snprintf(out, room, "%s/kernel-%s", dir, hex);
}

static int cache_get(const char *path, uint8_t **out, size_t *bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	int rc;

	if (fd < 0)
		return -errno;
	rc = fstat(fd, &st) == 0 && st.st_uid == geteuid() ? image_read_fd(fd, out, bytes, NULL)
							   : -EPERM;
	(void)close(fd);
	return rc;
}

/* Keeps the newest CACHE_KEEP kernels. */
static void cache_prune(const char *path)
{
	char dir[448];
	char oldest[NAME_MAX + 1] = "";
	struct timespec age = {0};
	uint32_t n = 0;
	struct dirent *entry;
	DIR *d;

	(void)snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(path, '/') - path), path);
	d = opendir(dir);
	while (d && (entry = readdir(d)) != NULL) {
		struct stat st;

		if (strncmp(entry->d_name, "kernel-", 7) != 0 ||
		    fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (n++ == 0 || st.st_mtim.tv_sec < age.tv_sec) {
			age = st.st_mtim;
			(void)snprintf(oldest, sizeof(oldest), "%s", entry->d_name);
		}
	}
	if (d && n > CACHE_KEEP)
		(void)unlinkat(dirfd(d), oldest, 0);
	if (d)
		(void)closedir(d);
}

/* Best effort: a cache that cannot be written only costs time. */
static void cache_put(const char *path, const uint8_t *data, size_t bytes)
{
	char temp[512];
	size_t done = 0;
	int fd;

	if (snprintf(temp, sizeof(temp), "%s.XXXXXX", path) >= (int)sizeof(temp))
		return;
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		return;
	while (done < bytes) {
		ssize_t n = write(fd, data + done, bytes - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (close(fd) < 0 || done < bytes || rename(temp, path) < 0)
		(void)unlink(temp);
	cache_prune(path);
}

int image_unpack(uint8_t **file, size_t *bytes, const char *cache_dir, struct err *e)
{
	struct packed p;
	char path[448] = "";
	uint8_t *kernel = NULL;
	size_t len = 0;
	int rc = packed_find(*file, *bytes, &p, e);

	if (rc < 0)
		return rc;
	if (cache_dir)
		cache_name(cache_dir, *file, *bytes, path, sizeof(path));
	if (!cache_dir || cache_get(path, &kernel, &len) < 0) {
		rc = run(*file, &p, &kernel, &len, e);
		if (rc < 0)
			return rc;
		if (cache_dir)
			cache_put(path, kernel, len);
	}
	free(*file);
	*file = kernel;
	*bytes = len;
	return 0;
}
