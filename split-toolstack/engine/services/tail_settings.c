/* SPDX-License-Identifier: BSD-3-Clause */
/* The settings of dom0 and Xen that tail.c makes and restores. */
#include "split-toolstack/engine/services/tail_settings.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/dirs.h"
#include "base/xen.h"

/*
 * Destroying a domain is one hypercall of 0.2 s for each GiB. Xen interrupts it every few
 * microseconds, but
 *
 * 1. a dom0 kernel without full preemption continues it after an interrupt has made the loop
 * runnable (sched/preempt in debugfs);
 *
 * 2. credit2 does not let a guest that wakes up preempt dom0's vCPU before the rate limit is
 * over, and does not check again before the end of the slice: a warm VM would answer after 10 ms
 * (the minimum of the rate limit is 100 us);
 *
 * 3. with more than one dom0 vCPU the hypercall holds the lock for all domctls between its
 * preemption points, and another vCPU only tries to take it: loop and worker share one CPU, so
 * that the loop runs when the lock is free.
 *
 * With full preemption another thread can run between any two steps of xenwatch, the kernel's
 * one thread that connects backends. xen-netback first binds a channel and then stores its
 * interrupt number. If its own thread runs in between, it acknowledges the channel's first event
 * without that number, the channel stays masked, and packets from the guest are never noticed.
 * So xenwatch gets real-time priority: nothing of ordinary priority runs while it can. (Vifs of
 * noxs guests are connected in a way that does not have this race, dom0/devtree.c, whatever CPUs
 * dom0 has.)
 *
 * By default dom0 has the weight of any guest, so that guests that never block get most of the
 * CPU: its weight is raised to that of eight guests. With the weight of 32 guests a create with
 * 16 busy guests is slower than with 8, and a dom0 that handles very many packets leaves guests
 * too little of a CPU that they share with it.
 */
#define PREEMPT	     "sched/preempt"
#define PREEMPT_FILE "/sys/kernel/debug/" PREEMPT
#define RATELIMIT_US "100"
#define DOM0_WEIGHT  "2048"
#define XENWATCH     "fifo"
#define NOT_THERE    "none"

/* --- dom0's preemption --- */

/* debugfs need not be mounted: a separate mount is made that no other process sees. */
static int open_in_debugfs(const char *path)
{
	int fs = fsopen("debugfs", FSOPEN_CLOEXEC);
	int mount = -1;
	int fd = -1;

	if (fs >= 0 && fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		mount = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	if (mount >= 0)
		fd = openat(mount, path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	if (mount >= 0)
		(void)close(mount);
	if (fs >= 0)
		(void)close(fs);
	return fd;
}

static int open_preempt(const struct tail_host *h)
{
	const char *path = h->preempt_file ? h->preempt_file : PREEMPT_FILE;
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	return errno == ENOENT && !h->preempt_file ? open_in_debugfs(PREEMPT) : -errno;
}

/* "none (voluntary) full": the one in brackets. */
static int get_preempt(const struct tail_host *h, char value[TAIL_VALUE_MAX])
{
	int fd = open_preempt(h);
	char text[128];
	const char *at;
	size_t len;
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read(fd, text, sizeof(text) - 1);
	n = n < 0 ? -errno : n;
	(void)close(fd);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	at = strchr(text, '(');
	at = at ? at + 1 : text;
	len = strcspn(at, ") \n");
	if (len == 0 || len >= TAIL_VALUE_MAX)
		return -EPROTO;
	memcpy(value, at, len);
	value[len] = '\0';
	return 0;
}

static int set_preempt(const struct tail_host *h, const char *value)
{
	int fd = open_preempt(h);
	int rc = fd;

	if (fd < 0)
		return rc;
	rc = write(fd, value, strlen(value)) < 0 ? -errno : 0;
	(void)close(fd);
	return rc;
}

static bool is_full(const char *value)
{
	return strcmp(value, "full") == 0;
}

/* --- the thread of dom0's kernel that connects backends --- */

static bool is_xenwatch(const char *pid)
{
	char path[64];
	char name[TAIL_VALUE_MAX] = "";
	FILE *f;
	bool yes;

	(void)snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	yes = fgets(name, sizeof(name), f) && strcmp(name, "xenwatch\n") == 0;
	(void)fclose(f);
	(void)snprintf(path, sizeof(path), "/proc/%.20s/exe", pid);
	/* a thread of the kernel has no program */
	return yes && readlink(path, name, sizeof(name)) < 0 && errno == ENOENT;
}

static int xenwatch(pid_t *pid)
{
	const struct dirent *entry;
	DIR *proc = opendir("/proc");
	int rc = -ENOENT;
	int failed = 0;

	if (!proc)
		return -errno;
	while (rc < 0 && (entry = dir_next(proc, &failed)) != NULL) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || !is_xenwatch(entry->d_name))
			continue;
		*pid = (pid_t)strtol(entry->d_name, NULL, 10);
		rc = 0;
	}
	(void)closedir(proc);
	return failed < 0 ? failed : rc;
}

static int get_xenwatch(const struct tail_host *h, char value[TAIL_VALUE_MAX])
{
	pid_t pid = 0;
	int policy;
	int rc = xenwatch(&pid);

	(void)h;
	if (rc == -ENOENT) { /* another process namespace, say: it is not ours to set */
		(void)snprintf(value, TAIL_VALUE_MAX, NOT_THERE);
		return 0;
	}
	if (rc < 0)
		return rc;
	policy = sched_getscheduler(pid);
	if (policy < 0)
		return -errno;
	(void)snprintf(value, TAIL_VALUE_MAX, "%s",
		       policy == SCHED_FIFO || policy == SCHED_RR ? XENWATCH : "other");
	return 0;
}

static int set_xenwatch(const struct tail_host *h, const char *value)
{
	bool fifo = strcmp(value, XENWATCH) == 0;
	const struct sched_param p = {.sched_priority = fifo ? 1 : 0};
	pid_t pid = 0;
	int rc = xenwatch(&pid);

	(void)h;
	if (rc < 0)
		return rc;
	return sched_setscheduler(pid, fifo ? SCHED_FIFO : SCHED_OTHER, &p) < 0 ? -errno : 0;
}

static bool is_fifo(const char *value)
{
	return strcmp(value, XENWATCH) == 0 || strcmp(value, NOT_THERE) == 0;
}

/* --- Xen's scheduler --- */

static int get_ratelimit(const struct tail_host *h, char value[TAIL_VALUE_MAX])
{
	uint32_t us = 0;
	int rc = xen_ratelimit(h->x, &us);

	(void)snprintf(value, TAIL_VALUE_MAX, "%u", us);
	return rc;
}

static int set_ratelimit(const struct tail_host *h, const char *value)
{
	return xen_set_ratelimit(h->x, (uint32_t)strtoul(value, NULL, 10));
}

static bool is_short(const char *value)
{
	return strtoul(value, NULL, 10) <= strtoul(RATELIMIT_US, NULL, 10);
}

static int get_weight(const struct tail_host *h, char value[TAIL_VALUE_MAX])
{
	uint32_t weight = 0;
	int rc = xen_domain_weight(h->x, 0, &weight);

	(void)snprintf(value, TAIL_VALUE_MAX, "%u", weight);
	return rc;
}

static int set_weight(const struct tail_host *h, const char *value)
{
	return xen_domain_sched(h->x, 0, (uint32_t)strtoul(value, NULL, 10), UINT32_MAX);
}

static bool is_heavy(const char *value)
{
	return strtoul(value, NULL, 10) >= strtoul(DOM0_WEIGHT, NULL, 10);
}

const struct tail_setting tail_settings[] = {
	{"xenwatch", XENWATCH, get_xenwatch, set_xenwatch, is_fifo},
	{"preempt", "full", get_preempt, set_preempt, is_full},
	{"ratelimit_us", RATELIMIT_US, get_ratelimit, set_ratelimit, is_short},
	{"dom0_weight", DOM0_WEIGHT, get_weight, set_weight, is_heavy},
};
_Static_assert(sizeof(tail_settings) / sizeof(tail_settings[0]) == TAIL_SETTINGS,
	       "each has its state");
