/* SPDX-License-Identifier: BSD-3-Clause */
/* chaos-stream: libxenguest's stream of a PV domain, xc_domain_save() and xc_domain_restore(), in a
 * process of its own. chaosd starts it (xen_stream.c). Source: xenguest.h. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <seccomp.h>

#include "base/confine.h"
#include "base/xen_stream.h"

#include <xenguest.h>

/* In addition to what is mapped at the start: for each frame its entries in libxenguest's lists,
 * and the machine-to-guest table, of which libxenguest maps all. */
#define MEMORY_BYTES	(256ull << 20)
#define BYTES_PER_FRAME 128u
/* A frame takes some microseconds. */
#define CPU_SECONDS	  60u
#define FRAMES_PER_SECOND 1024u

/* Keeps the first error, which is the most precise one. */
struct first_error {
	xentoollog_logger logger;
	struct xen_stream_verdict *v;
};

__attribute__((format(printf, 5, 0))) static void note_error(xentoollog_logger *l,
							     xentoollog_level level, int code,
							     const char *context,
							     const char *format, va_list al)
{
	struct xen_stream_verdict *v = ((struct first_error *)(void *)l)->v;

	(void)code;
	(void)context;
	if (level >= XTL_ERROR && v->r.why[0] == '\0')
		(void)vsnprintf(v->r.why, sizeof(v->r.why), format, al);
}

static void no_destroy(xentoollog_logger *l)
{
	(void)l;
}

static void limit_memory(xc_interface *xch, uint64_t frames)
{
	unsigned long top = 0;

	if (xc_maximum_ram_page(xch, &top) == 0)
		confine_memory(MEMORY_BYTES + frames * BYTES_PER_FRAME + top * sizeof(uint64_t));
}

static void block_signals(void)
{
	sigset_t set;

	(void)sigfillset(&set);
	(void)sigprocmask(SIG_SETMASK, &set, NULL);
}

static int forbid(void)
{
	static const int allowed[] = {
		SCMP_SYS(read),	     SCMP_SYS(write),	   SCMP_SYS(writev),
		SCMP_SYS(ioctl),     SCMP_SYS(mmap),	   SCMP_SYS(munmap),
		SCMP_SYS(mremap),    SCMP_SYS(mprotect),   SCMP_SYS(madvise),
		SCMP_SYS(brk),	     SCMP_SYS(futex),	   SCMP_SYS(close),
		SCMP_SYS(fcntl),     SCMP_SYS(lseek),	   SCMP_SYS(clock_gettime),
		SCMP_SYS(getrandom), SCMP_SYS(nanosleep),  SCMP_SYS(sched_yield),
		SCMP_SYS(exit),	     SCMP_SYS(exit_group),
	};
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int rc = f ? 0 : -ENOMEM;

	for (size_t i = 0; rc == 0 && i < sizeof(allowed) / sizeof(allowed[0]); i++)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed[i], 0);
	if (rc == 0)
		rc = seccomp_load(f);
	seccomp_release(f);
	return rc;
}

/* Xen's devices are open: from now on it is nobody, and opens nothing. */
static int confine(xc_interface *xch, const struct xen_stream_want *w, pid_t parent)
{
	int rc;

	limit_memory(xch, w->frames);
	confine_limit(RLIMIT_CPU, CPU_SECONDS + w->frames / FRAMES_PER_SECOND);
	confine_limit(RLIMIT_FSIZE, 0);
	confine_limit(RLIMIT_NOFILE, 0);
	rc = confine_to_nobody();
	if (rc < 0)
		return rc;
	return getppid() == parent ? forbid() : -EINTR; /* the parent may have ended before */
}

/* The domain is suspended already. */
static int is_suspended(void *arg)
{
	(void)arg;
	return 1;
}

static int stream(xc_interface *xch, const struct xen_stream_want *w, struct xen_stream_verdict *v)
{
	struct save_callbacks save = {.suspend = is_suspended};
	struct restore_callbacks restore = {0};
	unsigned long store = 0;
	unsigned long console = 0;
	int rc;

	errno = 0;
	rc = w->restore ? xc_domain_restore(xch, XEN_STREAM_PIPE, w->domid, w->store_port, &store,
					    0, w->console_port, &console, 0, XC_STREAM_PLAIN,
					    &restore, -1)
			: xc_domain_save(xch, XEN_STREAM_PIPE, w->domid, 0, &save, XC_STREAM_PLAIN,
					 -1);
	v->r.store_mfn = store;
	v->r.console_mfn = console;
	return rc == 0 ? 0 : errno ? -errno : -EIO;
}

static int run(const struct xen_stream_want *w, struct xen_stream_verdict *v, pid_t parent)
{
	static struct first_error log = {.logger = {.vmessage = note_error, .destroy = no_destroy}};
	xc_interface *xch;
	int rc;

	log.v = v;
	errno = 0;
	xch = xc_interface_open(&log.logger, &log.logger, 0);
	if (!xch)
		return errno ? -errno : -EIO;
	rc = confine(xch, w, parent);
	return rc < 0 ? rc : stream(xch, w, v);
}

int main(int argc, char **argv)
{
	struct xen_stream_want w = {0};
	struct xen_stream_verdict *v;

	block_signals();
	confine_die_first();
	v = mmap(NULL, sizeof(*v), PROT_READ | PROT_WRITE, MAP_SHARED, XEN_STREAM_RESULT, 0);
	if (argc != XEN_STREAM_ARGS || v == MAP_FAILED) {
		static const char usage[] =
			"chaos-stream is started by chaosd, to save or restore a PV guest\n";

		return write(STDERR_FILENO, usage, sizeof(usage) - 1) < 0 ? 3 : 2;
	}
	w.restore = strcmp(argv[2], "restore") == 0;
	w.domid = (uint32_t)strtoul(argv[3], NULL, 10);
	w.frames = strtoull(argv[4], NULL, 10);
	w.store_port = (uint32_t)strtoul(argv[5], NULL, 10);
	w.console_port = (uint32_t)strtoul(argv[6], NULL, 10);
	(void)close(XEN_STREAM_RESULT);
	v->rc = run(&w, v, (pid_t)strtol(argv[1], NULL, 10));
	_exit(0);
}
