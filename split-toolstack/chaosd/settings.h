/* SPDX-License-Identifier: BSD-3-Clause */
/* chaosd's settings: defaults, then /etc/chaos/chaosd.conf, then the command line. */
#ifndef CHAOS_SETTINGS_H
#define CHAOS_SETTINGS_H

#include <stdio.h>

#include "base/log.h"
#include "split-toolstack/engine/engine.h"
#include "split-toolstack/vmcfg/vmcfg.h"

#define SETTINGS_PATH "/etc/chaos/chaosd.conf"

/* Limits and defaults are in the table of settings.c. */
struct settings {
	char *socket, *group;
	char *run_dir, *log_dir, *cache_dir, *image_dir, *sleep_dir;
	char *backend_exe, *backend_user; /* path of chaos-backend, and its user */
	enum store_mode store;
	enum log_level log_level;
	uint32_t console_log_kib;
	uint32_t history;
	uint32_t rcu_expedited;
	enum tail_guard tail_guard;
	uint64_t pool_kib;
	uint32_t store_mib;
	uint32_t branch_mib;
	struct vmcfg_list pool; /* flavors as text */
};

/* The defaults. -ENOMEM. */
int settings_init(struct settings *s, struct err *e);
void settings_clear(struct settings *s);
/* Reads a file in the syntax of xl.conf(5). With `optional` it may be missing. */
int settings_read(struct settings *s, const char *path, bool optional, struct err *e);
/* Sets one value from text; -EINVAL: the message has the key, the value and what is allowed. */
int settings_set(struct settings *s, const char *key, const char *value, struct err *e);
/* Exchanges the values that can change while chaosd runs; others that differ are logged. */
void settings_reload(struct settings *now, struct settings *fresh);
/* Prints the settings as lines "key = value", for --show-config. */
void settings_print(const struct settings *s);
/* Prints names, defaults, limits and descriptions, for --help. */
void settings_help(FILE *to);

#endif
