/* SPDX-License-Identifier: BSD-3-Clause */
/* The single settings of tail.c: reading and making them. Only for services/. */
#ifndef CHAOS_ENGINE_TAIL_SETTINGS_H
#define CHAOS_ENGINE_TAIL_SETTINGS_H

#include <stdbool.h>

struct xen;

#define TAIL_VALUE_MAX 16u
#define TAIL_SETTINGS  4u

struct tail_host {
	struct xen *x;
	const char *preempt_file; /* NULL: the one in debugfs */
};

struct tail_setting {
	const char *name; /* in the record and in messages */
	const char *want;
	int (*get)(const struct tail_host *h, char value[TAIL_VALUE_MAX]); /* -errno */
	int (*set)(const struct tail_host *h, const char *value);	   /* -errno */
	bool (*enough)(
		const char *value); /* this value is good enough: the setting is not changed */
};

extern const struct tail_setting tail_settings[TAIL_SETTINGS];

#endif
