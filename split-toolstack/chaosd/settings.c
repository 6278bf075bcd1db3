/* SPDX-License-Identifier: BSD-3-Clause */
/* The settings as one table; values come as text from file or command line alike. */
#include "split-toolstack/chaosd/settings.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxlutil.h>

#include "split-toolstack/vmcfg/cfglex.h"
#include "split-toolstack/protocol/proto.h"
#include "split-toolstack/vmcfg/pool.h"

#define FILE_MAX (1u << 20)

static const char *const stores[] = {"auto", "own", "beside", "none"};
static const char *const guards[] = {"off", "auto", "on"};
static const char *const levels[] = {"error", "warn", "info", "debug"};

int config_init(struct config *c)
{
	*c = (struct config){
		.socket = strdup(PROTO_SOCKET),
		.group = strdup("chaos"),
		.run_dir = strdup("/run/chaos"),
		.log_dir = strdup("/var/log/chaos/console"),
		.cache_dir = strdup("/var/cache/chaos"),
		.image_dir = strdup("/var/lib/chaos/images"),
		.backend_exe = strdup(CHAOS_BACKEND_EXE),
		.backend_user = strdup("chaos-backend"),
		.store = STORE_AUTO,
		.log_level = LOG_INFO,
		.console_log_kib = 1024,
		.history = 256,
		.rcu_expedited = 1,
		.tail_guard = TAIL_AUTO,
		.pool_kib = 256u << 10,
	};
	return c->socket && c->group && c->run_dir && c->log_dir && c->cache_dir && c->image_dir &&
			       c->backend_exe && c->backend_user
		       ? 0
		       : -ENOMEM;
}

void config_clear(struct config *c)
{
	free(c->socket);
	free(c->group);
	free(c->run_dir);
	free(c->log_dir);
	free(c->cache_dir);
	free(c->image_dir);
	free(c->backend_exe);
	free(c->backend_user);
	for (uint32_t i = 0; i < c->pool.n; i++)
		free(c->pool.item[i]);
	free(c->pool.item);
	*c = (struct config){0};
}

static int set_text(char **to, const char *key, const char *value, struct err *e)
{
	char *copy;

	if (strcmp(key, "group") != 0 && strcmp(key, "backend_user") != 0 && value[0] != '/')
		return err_set(e, EINVAL, "%s \"%s\": must begin with /", key, value);
	copy = strdup(value);
	if (!copy)
		return err_set(e, ENOMEM, "out of memory");
	free(*to);
	*to = copy;
	return 0;
}

static int find_word(const char *const *words, size_t n, const char *value)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(words[i], value) == 0)
			return (int)i;
	return -1;
}

static int set_store(struct config *c, const char *value, struct err *e)
{
	int i = find_word(stores, 4, value);

	if (i < 0)
		return err_set(e, EINVAL, "store \"%s\": use auto, own or beside", value);
	c->store = (enum store_mode)i;
	return 0;
}

static int set_level(struct config *c, const char *value, struct err *e)
{
	if (log_level_parse(value, &c->log_level) < 0)
		return err_set(e, EINVAL, "log_level \"%s\": use error, warn, info or debug",
			       value);
	return 0;
}

const char *config_guard_name(enum tail_guard g)
{
	return guards[g];
}

static int set_guard(struct config *c, const char *value, struct err *e)
{
	int i = find_word(guards, 3, value);

	if (i < 0)
		return err_set(e, EINVAL, "tail_guard \"%s\": use auto, on or off", value);
	c->tail_guard = (enum tail_guard)i;
	return 0;
}

static int add_flavor(struct config *c, const char *value, struct err *e)
{
	struct pool_flavor f;
	int rc = poolcfg_parse(value, &f, e);

	if (rc < 0)
		return rc;
	free(f.image);
	free(f.ramdisk);
	return vmcfg_add(&c->pool, value, strlen(value)) < 0 ? err_set(e, ENOMEM, "out of memory")
							     : 0;
}

int config_set(struct config *c, const char *key, const char *value, struct err *e)
{
	const struct {
		const char *key;
		char **to;
	} texts[] = {{"socket", &c->socket},	   {"group", &c->group},
		     {"run_dir", &c->run_dir},	   {"console_log_dir", &c->log_dir},
		     {"cache_dir", &c->cache_dir}, {"image_dir", &c->image_dir},
		     {"backend", &c->backend_exe}, {"backend_user", &c->backend_user}};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strcmp(key, texts[i].key) == 0)
			return set_text(texts[i].to, key, value, e);
	if (strcmp(key, "store") == 0)
		return set_store(c, value, e);
	if (strcmp(key, "log_level") == 0)
		return set_level(c, value, e);
	if (strcmp(key, "console_log_kib") == 0)
		return vmcfg_number(key, value, 16, 1u << 20, &c->console_log_kib, e);
	if (strcmp(key, "history") == 0)
		return vmcfg_number(key, value, 0, 100000, &c->history, e);
	if (strcmp(key, "rcu_expedited") == 0)
		return vmcfg_number(key, value, 0, 1, &c->rcu_expedited, e);
	if (strcmp(key, "tail_guard") == 0)
		return set_guard(c, value, e);
	if (strcmp(key, "pool_memory") == 0)
		return vmcfg_memory(key, value, &c->pool_kib, e);
	if (strcmp(key, "pool") == 0)
		return add_flavor(c, value, e);
	return err_set(e, EINVAL, "%s: an unknown setting; chaosd(8) lists them", key);
}

/* --- the file --- */

struct reading {
	struct config *c;
	XLU_Config *xlu;
};

static int from_file(const char *key, void *arg, struct err *e)
{
	struct reading *r = arg;
	const char *value = NULL;
	XLU_ConfigList *list = NULL;
	int n = 0;

	if (strcmp(key, "pool") == 0 && xlu_cfg_get_list(r->xlu, key, &list, &n, 1) == 0) {
		int rc = 0;

		for (int i = 0; i < n && rc == 0; i++) {
			value = xlu_cfg_get_listitem(list, i);
			rc = config_set(r->c, key, value ? value : "", e);
		}
		return rc;
	}
	if (xlu_cfg_get_string(r->xlu, key, &value, 1) != 0 || !value)
		return err_set(e, EINVAL, "%s: its value is no text and no number", key);
	return config_set(r->c, key, value, e);
}

static int parse(struct config *c, const char *path, const char *text, size_t len, struct err *e)
{
	char *report = NULL;
	size_t report_len = 0;
	FILE *f = open_memstream(&report, &report_len);
	struct reading r = {.c = c};
	int rc;

	if (!f)
		return err_set(e, ENOMEM, "out of memory");
	r.xlu = xlu_cfg_init(f, path);
	rc = r.xlu ? xlu_cfg_readdata(r.xlu, text, (int)len) : ENOMEM;
	(void)fflush(f);
	if (rc != 0) {
		char *end = report ? strchr(report, '\n') : NULL;

		if (end)
			*end = '\0';
		rc = err_set(e, EINVAL, "%s", report && *report ? report : "cannot be read");
	} else {
		rc = cfglex_keys(text, len, from_file, &r, e);
		if (rc < 0)
			rc = err_wrap(e, rc, "%s", path);
	}
	if (r.xlu)
		xlu_cfg_destroy(r.xlu);
	(void)fclose(f);
	free(report);
	return rc;
}

int config_read(struct config *c, const char *path, bool optional, struct err *e)
{
	FILE *f = fopen(path, "re");
	char *text;
	size_t n;
	int rc;

	if (!f && errno == ENOENT && optional)
		return 0;
	if (!f)
		return err_sys(e, errno, "settings %s", path);
	text = malloc(FILE_MAX);
	if (!text) {
		(void)fclose(f);
		return err_set(e, ENOMEM, "out of memory");
	}
	n = fread(text, 1, FILE_MAX, f);
	if (ferror(f))
		rc = err_sys(e, errno ? errno : EIO, "settings %s", path);
	else if (n == FILE_MAX || memchr(text, '\0', n))
		rc = err_set(e, EINVAL, "settings %s: not a text of a sensible size", path);
	else
		rc = parse(c, path, text, n, e);
	(void)fclose(f);
	free(text);
	return rc;
}

void config_print(const struct config *c)
{
	printf("store = \"%s\"\n", stores[c->store]);
	printf("socket = \"%s\"\n", c->socket);
	printf("group = \"%s\"\n", c->group);
	printf("log_level = \"%s\"\n", levels[c->log_level]);
	printf("console_log_kib = %u\n", c->console_log_kib);
	printf("history = %u\n", c->history);
	printf("rcu_expedited = %u\n", c->rcu_expedited);
	printf("tail_guard = \"%s\"\n", config_guard_name(c->tail_guard));
	printf("pool_memory = \"%lluK\"\n", (unsigned long long)c->pool_kib);
	printf("pool = [");
	for (uint32_t i = 0; i < c->pool.n; i++)
		printf("%s \"%s\"", i ? "," : "", c->pool.item[i]);
	printf(" ]\n");
	printf("run_dir = \"%s\"\n", c->run_dir);
	printf("console_log_dir = \"%s\"\n", c->log_dir);
	printf("cache_dir = \"%s\"\n", c->cache_dir);
	printf("image_dir = \"%s\"\n", c->image_dir);
	printf("backend = \"%s\"\n", c->backend_exe);
	printf("backend_user = \"%s\"\n", c->backend_user);
}
