/* SPDX-License-Identifier: BSD-3-Clause */
/* Unpacks kernels in a child process that can only compute and write into one file with a
 * maximal size. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <seccomp.h>

#include "base/confine.h"
#include "libdom/image.h"
#include "libdom/unpack.h"

/* Shared between parent and child: the result. */
struct verdict {
	int rc;
	struct err err; /* of what is no kernel */
};

/* One child at a time, so that its limits apply only once. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

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
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
				      SCMP_A0(SCMP_CMP_EQ, STDIN_FILENO));
	if (rc == 0)
		rc = seccomp_load(f);
	seccomp_release(f);
	return rc;
}

/* No signal but the alarm: the parent's handlers must not run here. */
static void limit_time(void)
{
	sigset_t set;

	(void)signal(SIGALRM, SIG_DFL);
	(void)sigfillset(&set);
	(void)sigdelset(&set, SIGALRM);
	(void)sigprocmask(SIG_SETMASK, &set, NULL);
	(void)alarm(UNPACK_SECONDS);
	confine_limit(RLIMIT_CPU, UNPACK_CPU_SECONDS);
	(void)setpriority(PRIO_PROCESS, 0, 10);
}

struct sorter {
	uint8_t head[16];
	uint64_t done;
};

/* Stops if the data does not begin like a kernel. */
static int take(void *arg, const uint8_t *data, size_t n)
{
	struct sorter *s = arg;

	for (size_t i = 0; i < n && s->done + i < sizeof(s->head); i++)
		s->head[s->done + i] = data[i];
	s->done += n;
	if (s->done >= sizeof(s->head) && !elf_is(s->head, sizeof(s->head)))
		return -ENOEXEC;
	while (n) {
		ssize_t put = write(STDIN_FILENO, data, n);

		if (put < 0 && errno != EINTR)
			return errno == EFBIG ? -E2BIG : -ENOSPC;
		if (put > 0) {
			data += put;
			n -= (size_t)put;
		}
	}
	return 0;
}

static int unpack(const uint8_t *file, const struct packed *p, const uint8_t *result, struct err *e)
{
	struct sorter s = {.done = 0};
	struct elf_image img;
	int rc = packed_open(file, p, IMAGE_MAX_BYTES, take, &s);

	if (rc == -ENOEXEC || (rc == 0 && !elf_is(s.head, s.done)))
		return err_set(e, ENOEXEC, "the packed kernel inside is not an ELF file");
	return rc < 0 ? rc : elf_parse(result, s.done, &img, e);
}

__attribute__((noreturn)) static void child(const uint8_t *file, const struct packed *p, int fd,
					    struct verdict *v)
{
	/* Only the part that was written may be read. */
	const uint8_t *result = mmap(NULL, IMAGE_MAX_BYTES, PROT_READ, MAP_SHARED, fd, 0);

	confine_die_first();
	limit_time();
	confine_memory(UNPACK_MEMORY);
	confine_limit(RLIMIT_FSIZE, IMAGE_MAX_BYTES);
	if (result == MAP_FAILED || dup2(fd, STDIN_FILENO) < 0) {
		v->rc = -errno;
		_exit(1);
	}
	(void)close_range(1, ~0u, 0);
	confine_limit(RLIMIT_NOFILE, 0);
	v->rc = confine_to_nobody();
	if (v->rc < 0)
		_exit(1);
	v->rc = forbid();
	if (v->rc == 0)
		v->rc = unpack(file, p, result, &v->err);
	_exit(0);
}

/* --- the parent --- */

static int explain_end(int status, const struct rusage *used, struct err *e)
{
	int sig = WTERMSIG(status);

	if (sig == SIGALRM)
		return err_set(e, ETIMEDOUT, "unpacking took longer than %u seconds",
			       UNPACK_SECONDS);
	if (sig != SIGKILL)
		return err_set(e, ENOEXEC, "unpacking was ended by signal %d (hostile data?)", sig);
	if (used->ru_utime.tv_sec + used->ru_stime.tv_sec + 2 >= UNPACK_CPU_SECONDS)
		return err_set(e, ETIMEDOUT, "unpacking took more than %u seconds of CPU time",
			       UNPACK_CPU_SECONDS);
	return err_set(e, ENOMEM, "unpacking was killed: this host has too little memory for it");
}

static int explain(const struct verdict *v, const struct packed *p, struct err *e)
{
	char text[ERR_MSG_MAX];

	if (v->rc == -E2BIG)
		return err_set(e, E2BIG, "the kernel inside is larger than %llu MiB",
			       IMAGE_MAX_BYTES >> 20);
	if (v->rc == -ENOMEM)
		return err_set(e, ENOMEM, "unpacking %s takes more memory than %llu MiB", p->name,
			       UNPACK_MEMORY >> 20);
	if (v->rc == -ENOSPC)
		return err_set(e, ENOSPC, "no room on disk for the unpacked kernel");
	if (v->err.code == 0)
		return err_set(e, ENOEXEC, "the %s data inside is damaged", p->name);
	/* The child's result is not trusted more than the data that it has read. */
	memcpy(text, v->err.msg, sizeof(text));
	text[sizeof(text) - 1] = '\0';
	for (char *at = text; *at; at++)
		if (*at < 0x20 || *at > 0x7e)
			*at = '?';
	return err_set(e, ENOEXEC, "%s", text);
}

static int run(const uint8_t *file, const struct packed *p, int fd, struct err *e)
{
	struct verdict *v =
		mmap(NULL, sizeof(*v), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct rusage used;
	int status = 0;
	pid_t pid;
	int rc;

	if (v == MAP_FAILED)
		return err_sys(e, errno, "memory for the unpacking child");
	v->rc = -EINTR;
	pid = fork();
	if (pid == 0)
		child(file, p, fd, v);
	if (pid < 0) {
		rc = err_sys(e, errno, "start the unpacking child");
	} else {
		while (wait4(pid, &status, 0, &used) < 0 && errno == EINTR)
			;
		/* The child has ended: nothing can change the result any more. */
		rc = WIFSIGNALED(status) ? explain_end(status, &used, e)
		     : v->rc < 0	 ? explain(v, p, e)
					 : 0;
	}
	(void)munmap(v, sizeof(*v));
	return rc;
}

int confined_unpack(const uint8_t *file, const struct packed *p, int fd, struct err *e)
{
	int rc;

	(void)pthread_mutex_lock(&turn);
	rc = run(file, p, fd, e);
	(void)pthread_mutex_unlock(&turn);
	return rc;
}
