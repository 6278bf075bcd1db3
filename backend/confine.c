/* SPDX-License-Identifier: BSD-3-Clause */
/* Drops the privileges of chaos-backend after it has opened its two devices. */
#include "backend/control.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <seccomp.h>
#include <xen/sys/evtchn.h>
#include <xen/sys/gntdev.h>

/* Always allowed. Memory and threads; files that are open; the control socket. */
static const int calls[] = {
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	SCMP_SYS(futex),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(clone3),
	SCMP_SYS(clone),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(sched_yield),
	SCMP_SYS(getrandom),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(readv),
	SCMP_SYS(writev),
	SCMP_SYS(preadv2),
	SCMP_SYS(pwritev2),
	SCMP_SYS(fdatasync),
	SCMP_SYS(fallocate),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(lseek),
	SCMP_SYS(close),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_ctl),
	/* needed by libev when a file that this process has closed, and chaosd still has open,
	 * still reports events */
	SCMP_SYS(epoll_create1),
	SCMP_SYS(poll),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(accept4),
	SCMP_SYS(shutdown),
	SCMP_SYS(eventfd2),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(sysinfo),
};

/* Allowed only with this second argument. */
static const struct {
	int call;
	uint64_t arg;
} only[] = {
	{SCMP_SYS(ioctl), IOCTL_GNTDEV_MAP_GRANT_REF},
	{SCMP_SYS(ioctl), IOCTL_GNTDEV_UNMAP_GRANT_REF},
	{SCMP_SYS(ioctl), IOCTL_GNTDEV_GET_OFFSET_FOR_VADDR},
	{SCMP_SYS(ioctl), IOCTL_GNTDEV_GRANT_COPY},
	{SCMP_SYS(ioctl), IOCTL_EVTCHN_BIND_INTERDOMAIN},
	{SCMP_SYS(ioctl), IOCTL_EVTCHN_UNBIND},
	{SCMP_SYS(ioctl), IOCTL_EVTCHN_NOTIFY},
	{SCMP_SYS(ioctl), TUNGETIFF},
	{SCMP_SYS(ioctl), TUNGETVNETHDRSZ},
	{SCMP_SYS(fcntl), F_GETFL},
	{SCMP_SYS(fcntl), F_SETFL},
	{SCMP_SYS(fcntl), F_GETFD},
	{SCMP_SYS(fcntl), F_SETFD},
	{SCMP_SYS(getsockopt), 1 /* SOL_SOCKET */},
};

static int add_rules(scmp_filter_ctx f)
{
	const struct scmp_arg_cmp no_code = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(calls) / sizeof(calls[0]); i++)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, calls[i], 0);
	for (size_t i = 0; rc == 0 && i < sizeof(only) / sizeof(only[0]); i++)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, only[i].call, 1,
				      SCMP_A1(SCMP_CMP_EQ, only[i].arg));
	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, no_code);
	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, no_code);
	return rc;
}

int confine_filter(struct err *e)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int rc = f ? seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1) : -ENOMEM;

	if (rc == 0)
		rc = add_rules(f);
	if (rc == 0)
		rc = seccomp_load(f);
	seccomp_release(f);
	return rc < 0 ? err_sys(e, -rc, "install the seccomp filter") : 0;
}

static int ids_of(const char *user, uid_t *uid, gid_t *gid, struct err *e)
{
	char *end;
	unsigned long n = strtoul(user, &end, 10);
	const struct passwd *p;

	if (*user && !*end && n > 0 && n < 0xfffffffful) {
		*uid = (uid_t)n;
		*gid = (gid_t)n;
		return 0;
	}
	/* cppcheck-suppress getpwnamCalled */
	p = getpwnam(user); /* before there are threads */
	if (!p)
		return err_set(e, EINVAL,
			       "user \"%s\" does not exist: create it, or give another with --user",
			       user);
	*uid = p->pw_uid;
	*gid = p->pw_gid;
	return 0;
}

int confine_user(const char *user, struct err *e)
{
	const struct rlimit none = {0, 0};
	uid_t uid;
	gid_t gid;

	if (user) {
		int rc = ids_of(user, &uid, &gid, e);

		if (rc < 0)
			return rc;
		if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
		    setresuid(uid, uid, uid) < 0)
			return err_sys(e, errno, "change to user %s", user);
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0 ||
	    setrlimit(RLIMIT_CORE, &none) < 0)
		return err_sys(e, errno, "drop privileges");
	return 0;
}
