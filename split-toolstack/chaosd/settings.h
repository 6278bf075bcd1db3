/* SPDX-License-Identifier: BSD-3-Clause */
/* chaosd's settings: defaults, then /etc/chaos/chaosd.conf, then the command line. */
#ifndef CHAOS_CONFIG_H
#define CHAOS_CONFIG_H

#include "base/log.h"
#include "split-toolstack/engine/engine.h"
#include "split-toolstack/vmcfg/vmcfg.h"

#define CONFIG_PATH "/etc/chaos/chaosd.conf"

struct config {
	char *socket, *group;
	char *run_dir, *log_dir, *cache_dir, *image_dir;
	char *backend_exe, *backend_user; /* chaos-backend, and the user that it runs as */
	enum store_mode store;
	enum log_level log_level;
	uint32_t console_log_kib; /* 16..1048576 */
	uint32_t history;	  /* 0..100000 */
	uint32_t rcu_expedited;	  /* 0 or 1 */
	enum tail_guard tail_guard;
	uint64_t pool_kib;
	struct vmcfg_list pool; /* flavors as text */
};

/* -ENOMEM. */
int config_init(struct config *c);
void config_clear(struct config *c);
/* Reads a file in the syntax of xl.conf(5). A file that is missing is fine when `optional`. */
int config_read(struct config *c, const char *path, bool optional, struct err *e);
/* One setting as text; -EINVAL names key, value and what to do. */
int config_set(struct config *c, const char *key, const char *value, struct err *e);
/* "off", "auto" or "on". */
const char *config_guard_name(enum tail_guard g);
/* The settings as lines "key = value", for --show-config. */
void config_print(const struct config *c);

#endif
