/* SPDX-License-Identifier: BSD-3-Clause */
/* What holds up a request beside a large destroy or busy guests, and the settings against it. */
#include "split-toolstack/engine/services/tail.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xen.h"

/*
 * Destroying a domain is one hypercall of 0.2 s a GiB. Xen interrupts it every few microseconds,
 * but
 *
 * 1. a dom0 kernel without full preemption goes on with it when an interrupt has made the loop
 *    runnable (sched/preempt of debugfs);
 * 2. credit2 does not let a guest that wakes preempt dom0's vCPU while that is younger than the
 *    rate limit, and does not look again before the end of the slice: a warm VM would answer after
 *    10 ms (100 us are the least that Xen takes);
 * 3. with more than one dom0 vCPU the hypercall holds the lock of all domctls between its
 *    preemption points, and another vCPU only tries it: loop and worker share one CPU, so that the
 *    loop runs when the lock is free.
 *
 * And by default dom0 has the weight of any guest, so that guests that never block get the most of
 * the CPU: its weight is raised to that of eight guests. With 32 times the weight a create beside
 * 16 busy guests is slower than with 8 times, and a dom0 that serves a flood of packets leaves
 * guests too little of a CPU that they share with it.
 */
#define PREEMPT	     "sched/preempt"
#define PREEMPT_FILE "/sys/kernel/debug/" PREEMPT
#define RATELIMIT_US "100"
#define DOM0_WEIGHT  "2048"
#define VALUE_MAX    16u
#define RECORD	     "tail_guard" /* in the run directory: a line "name old new" a setting */

#define SETTINGS 3u

struct tail {
	struct xen *x;
	struct tail_conf conf;
	struct {
		char old[VALUE_MAX];
		bool made;
		int rc; /* why not */
	} of[SETTINGS];
	int cpu; /* of loop and worker; -1: any */
};

struct setting {
	const char *name;
	const char *want;
	int (*get)(struct tail *t, char value[VALUE_MAX]);
	int (*set)(struct tail *t, const char *value);
	bool (*enough)(const char *value); /* as it is */
};

/* --- dom0's preemption --- */

/* debugfs need not be mounted: an instance of our own is in no one's namespace. */
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

static int open_preempt(struct tail *t)
{
	const char *path = t->conf.preempt_file ? t->conf.preempt_file : PREEMPT_FILE;
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	return errno == ENOENT && !t->conf.preempt_file ? open_in_debugfs(PREEMPT) : -errno;
}

/* "none (voluntary) full": the one in brackets. */
static int get_preempt(struct tail *t, char value[VALUE_MAX])
{
	int fd = open_preempt(t);
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
	if (len == 0 || len >= VALUE_MAX)
		return -EPROTO;
	memcpy(value, at, len);
	value[len] = '\0';
	return 0;
}

static int set_preempt(struct tail *t, const char *value)
{
	int fd = open_preempt(t);
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

/* --- Xen's scheduler --- */

static int get_ratelimit(struct tail *t, char value[VALUE_MAX])
{
	uint32_t us = 0;
	int rc = xen_ratelimit(t->x, &us);

	(void)snprintf(value, VALUE_MAX, "%u", us);
	return rc;
}

static int set_ratelimit(struct tail *t, const char *value)
{
	return xen_set_ratelimit(t->x, (uint32_t)strtoul(value, NULL, 10));
}

static bool is_short(const char *value)
{
	return strtoul(value, NULL, 10) <= strtoul(RATELIMIT_US, NULL, 10);
}

static int get_weight(struct tail *t, char value[VALUE_MAX])
{
	uint32_t weight = 0;
	int rc = xen_domain_weight(t->x, 0, &weight);

	(void)snprintf(value, VALUE_MAX, "%u", weight);
	return rc;
}

static int set_weight(struct tail *t, const char *value)
{
	return xen_domain_sched(t->x, 0, (uint32_t)strtoul(value, NULL, 10), UINT32_MAX);
}

static bool is_heavy(const char *value)
{
	return strtoul(value, NULL, 10) >= strtoul(DOM0_WEIGHT, NULL, 10);
}

static const struct setting settings[] = {
	{"preempt", "full", get_preempt, set_preempt, is_full},
	{"ratelimit_us", RATELIMIT_US, get_ratelimit, set_ratelimit, is_short},
	{"dom0_weight", DOM0_WEIGHT, get_weight, set_weight, is_heavy},
};
_Static_assert(sizeof(settings) / sizeof(settings[0]) == SETTINGS, "each has its state");

/* --- one CPU for the loop and the worker --- */

static cpu_set_t all_cpus; /* of the process, as it was started */
static bool pinned;

void tail_unpin(void)
{
	if (pinned)
		(void)sched_setaffinity(0, sizeof(all_cpus), &all_cpus);
}

/* The last one: the first gets most interrupts. */
static int pin(void)
{
	static bool children;
	cpu_set_t one;
	int cpu = CPU_SETSIZE - 1;

	if (sched_getaffinity(0, sizeof(all_cpus), &all_cpus) < 0 || CPU_COUNT(&all_cpus) < 2)
		return -1;
	while (!CPU_ISSET(cpu, &all_cpus))
		cpu--;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	/* What is started runs anywhere. */
	if (!children && pthread_atfork(NULL, NULL, tail_unpin) != 0)
		return -1;
	children = true;
	if (sched_setaffinity(0, sizeof(one), &one) < 0)
		return -1;
	pinned = true;
	return cpu;
}

/* --- the record --- */

static void record_path(const struct tail *t, const char *suffix, char *to, size_t room)
{
	(void)snprintf(to, room, "%s/" RECORD "%s", t->conf.run_dir, suffix);
}

static int write_record(struct tail *t)
{
	char path[512];
	char new[512];
	FILE *f;
	bool failed;

	record_path(t, "", path, sizeof(path));
	record_path(t, ".new", new, sizeof(new));
	f = fopen(new, "we");
	if (!f)
		return -errno;
	for (size_t i = 0; i < SETTINGS; i++)
		if (t->of[i].made)
			(void)fprintf(f, "%s %s %s\n", settings[i].name, t->of[i].old,
				      settings[i].want);
	failed = ferror(f);
	if (fclose(f) != 0 || failed || rename(new, path) < 0) {
		(void)unlink(new);
		return errno ? -errno : -EIO;
	}
	return 0;
}

static void forget_record(const struct tail *t)
{
	char path[512];

	record_path(t, "", path, sizeof(path));
	(void)unlink(path);
}

/* Unless it was changed since. */
static void put_back(struct tail *t, const struct setting *s, const char *old, const char *made)
{
	char now[VALUE_MAX];
	int rc = s->get(t, now);

	if (rc == 0 && strcmp(now, made) != 0)
		return;
	if (rc == 0)
		rc = s->set(t, old);
	if (rc < 0)
		log_line(LOG_ERROR, "op=tail-guard %s: not put back to %s: %s", s->name, old,
			 strerror(-rc));
	else
		log_line(LOG_INFO, "op=tail-guard %s=%s was=%s: put back", s->name, old, made);
}

/* Of an engine that was killed. */
static void put_back_recorded(struct tail *t)
{
	char path[512];
	char name[32];
	char old[VALUE_MAX];
	char made[VALUE_MAX];
	FILE *f;

	record_path(t, "", path, sizeof(path));
	f = fopen(path, "re");
	if (!f)
		return;
	while (fscanf(f, "%31s %15s %15s", name, old, made) == 3)
		for (size_t i = 0; i < SETTINGS; i++)
			if (strcmp(settings[i].name, name) == 0)
				put_back(t, &settings[i], old, made);
	(void)fclose(f);
	forget_record(t);
}

/* --- all of them --- */

/* What is to be made, and what cannot be. */
static void look(struct tail *t)
{
	for (size_t i = 0; i < SETTINGS; i++) {
		t->of[i].rc = settings[i].get(t, t->of[i].old);
		t->of[i].made = t->of[i].rc == 0 && !settings[i].enough(t->of[i].old);
	}
}

static void make(struct tail *t)
{
	for (size_t i = 0; i < SETTINGS; i++) {
		if (!t->of[i].made)
			continue;
		t->of[i].rc = settings[i].set(t, settings[i].want);
		t->of[i].made = t->of[i].rc == 0;
	}
}

/* The first one that could not be made; SETTINGS: all are. */
static size_t first_failed(const struct tail *t)
{
	size_t i = 0;

	while (i < SETTINGS && t->of[i].rc == 0)
		i++;
	return i;
}

int tail_open(struct xen *x, const struct tail_conf *conf, struct tail **out, struct err *e)
{
	struct tail *t = calloc(1, sizeof(*t));
	char text[256];
	size_t failed;
	int rc;

	*out = NULL;
	if (!t)
		return err_set(e, ENOMEM, "out of memory");
	*t = (struct tail){.x = x, .conf = *conf, .cpu = -1};
	put_back_recorded(t);
	if (conf->guard == TAIL_OFF) {
		free(t);
		return 0;
	}
	look(t);
	rc = write_record(t);
	if (rc < 0) { /* what nothing would put back is not made */
		for (size_t i = 0; i < SETTINGS; i++) {
			t->of[i].rc = t->of[i].made ? rc : t->of[i].rc;
			t->of[i].made = false;
		}
	}
	make(t);
	failed = first_failed(t);
	if (failed < SETTINGS && conf->guard == TAIL_ON) {
		rc = err_sys(e, -t->of[failed].rc,
			     "tail_guard: %s cannot be set to %s; with tail_guard=auto chaosd "
			     "does without",
			     settings[failed].name, settings[failed].want);
		tail_close(t);
		return rc;
	}
	t->cpu = pin();
	tail_describe(t, text, sizeof(text));
	log_line(failed < SETTINGS ? LOG_WARN : LOG_INFO, "op=tail-guard %s", text);
	*out = t;
	return 0;
}

void tail_close(struct tail *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < SETTINGS; i++)
		if (t->of[i].made)
			put_back(t, &settings[i], t->of[i].old, settings[i].want);
	forget_record(t);
	tail_unpin();
	pinned = false;
	free(t);
}

__attribute__((format(printf, 4, 5))) static size_t add(char *to, size_t room, size_t at,
							const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(to + at, room - at, fmt, ap);
	va_end(ap);
	return n < 0 || (size_t)n >= room - at ? room - 1 : at + (size_t)n;
}

void tail_describe(const struct tail *t, char *to, size_t room)
{
	size_t at = 0;

	if (!t) {
		(void)snprintf(to, room, "off");
		return;
	}
	for (size_t i = 0; i < SETTINGS; i++) {
		const char *comma = i ? ", " : "";

		if (t->of[i].rc < 0)
			at = add(to, room, at, "%s%s not set (%s)", comma, settings[i].name,
				 strerror(-t->of[i].rc));
		else if (t->of[i].made)
			at = add(to, room, at, "%s%s %s (was %s)", comma, settings[i].name,
				 settings[i].want, t->of[i].old);
		else
			at = add(to, room, at, "%s%s %s", comma, settings[i].name, t->of[i].old);
	}
	if (t->cpu >= 0)
		(void)add(to, room, at, ", cpu %d", t->cpu);
}
