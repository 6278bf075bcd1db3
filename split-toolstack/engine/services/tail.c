/* SPDX-License-Identifier: BSD-3-Clause */
/* Settings of dom0's kernel and Xen against delays by large destroys and busy guests, and
 * against a race of xen-netback: makes, records and restores them. */
#include "split-toolstack/engine/services/tail.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "split-toolstack/engine/services/tail_settings.h"

#define RECORD "tail_guard" /* in the run directory: a line "name old new" a setting */

struct tail {
	struct tail_conf conf;
	struct tail_host host;
	struct {
		char old[TAIL_VALUE_MAX];
		bool made;
		bool followed; /* made by an engine that was killed; `old` is from its record */
		int rc;	       /* why not */
	} of[TAIL_SETTINGS];
	int cpu; /* of loop and worker; -1: any */
};

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
	/* Programs that are started may run on any CPU. */
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
	for (size_t i = 0; i < TAIL_SETTINGS; i++)
		if (t->of[i].made)
			(void)fprintf(f, "%s %s %s\n", tail_settings[i].name, t->of[i].old,
				      tail_settings[i].want);
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

/* Not if it was changed by others since. */
static void put_back(struct tail *t, const struct tail_setting *s, const char *old,
		     const char *made)
{
	char now[TAIL_VALUE_MAX];
	int rc = s->get(&t->host, now);

	if (rc == 0 && strcmp(now, made) != 0)
		return;
	if (rc == 0)
		rc = s->set(&t->host, old);
	if (rc < 0)
		log_line(LOG_ERROR, "op=tail-guard %s: not put back to %s: %s", s->name, old,
			 strerror(-rc));
	else
		log_line(LOG_INFO, "op=tail-guard %s=%s was=%s: put back", s->name, old, made);
}

/* Restores the settings of a killed engine, except those that this engine wants, too. With busy
 * guests dom0 might not get the CPU for minutes to make them again. */
static void follow(struct tail *t, size_t i, const char *old, const char *made)
{
	char now[TAIL_VALUE_MAX];

	t->of[i].followed = t->conf.guard != TAIL_OFF && strcmp(made, tail_settings[i].want) == 0 &&
			    tail_settings[i].get(&t->host, now) == 0 && strcmp(now, made) == 0;
	if (t->of[i].followed)
		(void)snprintf(t->of[i].old, sizeof(t->of[i].old), "%s", old);
	else
		put_back(t, &tail_settings[i], old, made);
}

static void follow_recorded(struct tail *t)
{
	char path[512];
	char name[32];
	char old[TAIL_VALUE_MAX];
	char made[TAIL_VALUE_MAX];
	FILE *f;

	record_path(t, "", path, sizeof(path));
	f = fopen(path, "re");
	if (!f)
		return;
	while (fscanf(f, "%31s %15s %15s", name, old, made) == 3)
		for (size_t i = 0; i < TAIL_SETTINGS; i++)
			if (strcmp(tail_settings[i].name, name) == 0)
				follow(t, i, old, made);
	(void)fclose(f);
	if (t->conf.guard == TAIL_OFF)
		forget_record(t);
}

/* --- all of them --- */

/* Decides which settings to make, and finds those that cannot be made. */
static void choose_settings(struct tail *t)
{
	for (size_t i = 0; i < TAIL_SETTINGS; i++) {
		t->of[i].made = t->of[i].followed;
		if (t->of[i].followed)
			continue;
		t->of[i].rc = tail_settings[i].get(&t->host, t->of[i].old);
		t->of[i].made = t->of[i].rc == 0 && !tail_settings[i].enough(t->of[i].old);
	}
}

static void apply_settings(struct tail *t)
{
	for (size_t i = 0; i < TAIL_SETTINGS; i++) {
		if (!t->of[i].made || t->of[i].followed)
			continue;
		t->of[i].rc = tail_settings[i].set(&t->host, tail_settings[i].want);
		t->of[i].made = t->of[i].rc == 0;
	}
}

/* The first one that could not be made; TAIL_SETTINGS: all are. */
static size_t first_failed(const struct tail *t)
{
	size_t i = 0;

	while (i < TAIL_SETTINGS && t->of[i].rc == 0)
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
	*t = (struct tail){
		.conf = *conf, .host = {.x = x, .preempt_file = conf->preempt_file}, .cpu = -1};
	follow_recorded(t);
	if (conf->guard == TAIL_OFF) {
		free(t);
		return 0;
	}
	choose_settings(t);
	rc = write_record(t);
	if (rc < 0) { /* a setting that could not be restored is not made */
		for (size_t i = 0; i < TAIL_SETTINGS; i++) {
			if (t->of[i].followed) /* it stands in the record that is there */
				continue;
			t->of[i].rc = t->of[i].made ? rc : t->of[i].rc;
			t->of[i].made = false;
		}
	}
	apply_settings(t);
	failed = first_failed(t);
	if (failed < TAIL_SETTINGS && conf->guard == TAIL_ON) {
		rc = err_sys(e, -t->of[failed].rc,
			     "tail_guard: %s cannot be set to %s; with tail_guard=auto chaosd "
			     "starts without it",
			     tail_settings[failed].name, tail_settings[failed].want);
		tail_close(t);
		return rc;
	}
	t->cpu = pin();
	tail_describe(t, text, sizeof(text));
	log_line(failed < TAIL_SETTINGS ? LOG_WARN : LOG_INFO, "op=tail-guard %s", text);
	*out = t;
	return 0;
}

void tail_close(struct tail *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < TAIL_SETTINGS; i++)
		if (t->of[i].made)
			put_back(t, &tail_settings[i], t->of[i].old, tail_settings[i].want);
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
	for (size_t i = 0; i < TAIL_SETTINGS; i++) {
		const char *comma = i ? ", " : "";

		if (t->of[i].rc < 0)
			at = add(to, room, at, "%s%s not set (%s)", comma, tail_settings[i].name,
				 strerror(-t->of[i].rc));
		else if (t->of[i].made)
			at = add(to, room, at, "%s%s %s (was %s)", comma, tail_settings[i].name,
				 tail_settings[i].want, t->of[i].old);
		else
			at = add(to, room, at, "%s%s %s", comma, tail_settings[i].name,
				 t->of[i].old);
	}
	if (t->cpu >= 0)
		(void)add(to, room, at, ", cpu %d", t->cpu);
}
