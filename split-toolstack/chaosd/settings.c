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
#include "split-toolstack/vmcfg/field.h"
#include "split-toolstack/vmcfg/pool.h"

#define FILE_MAX (1u << 20)

/* By enum store_mode, tail_guard and log_level. */
static const char *const stores[] = {"auto", "own", "beside", "none", NULL};
static const char *const guards[] = {"off", "auto", "on", NULL};
static const char *const levels[] = {"error", "warn", "info", "debug", NULL};

struct setting {
	struct field field;
	const char *preset; /* its default, as text; NULL: an empty list */
	enum { AT_START, AT_RELOAD } taken;
	const char *help; /* one line */
	int (*check)(const char *value, struct err *e);
};

static int check_flavor(const char *value, struct err *e)
{
	struct pool_flavor f;
	int rc = poolcfg_parse(value, &f, e);

	if (rc < 0)
		return rc;
	poolcfg_clear(&f);
	return 0;
}

#define AT(member) FIELD_AT(struct settings, member)

static const struct setting table[] = {
	{{"store", FIELD_WORD, AT(store), .words = stores},
	 "auto",
	 AT_START,
	 "which program serves the XenStore of dom0's kernel and tools"},
	{{"socket", FIELD_PATH, AT(socket)},
	 PROTO_SOCKET,
	 AT_START,
	 "the socket that clients connect to"},
	{{"group", FIELD_TEXT, AT(group)},
	 "chaos",
	 AT_START,
	 "the group whose members may connect"},
	{{"log_level", FIELD_WORD, AT(log_level), .words = levels},
	 "info",
	 AT_RELOAD,
	 "the least important lines that are logged"},
	{{"console_log_kib", FIELD_NUMBER, AT(console_log_kib), 16, 1u << 20},
	 "1024",
	 AT_RELOAD,
	 "size of each VM's console log, KiB"},
	{{"history", FIELD_NUMBER, AT(history), 0, 100000},
	 "256",
	 AT_RELOAD,
	 "number of VMs that are listed after they have ended"},
	{{"rcu_expedited", FIELD_NUMBER, AT(rcu_expedited), 0, 1},
	 "1",
	 AT_RELOAD,
	 "1: make dom0's kernel remove devices without delays"},
	{{"tail_guard", FIELD_WORD, AT(tail_guard), .words = guards},
	 "auto",
	 AT_START,
	 "change settings of dom0's kernel and Xen to keep requests quick"},
	{{"pool_memory", FIELD_MEMORY, AT(pool_kib)},
	 "256M",
	 AT_RELOAD,
	 "memory that all shells of the pool may use together"},
	{{"branch_memory", FIELD_NUMBER, AT(branch_mib), 0, 1u << 30},
	 "0",
	 AT_RELOAD,
	 "memory for states of VMs being branched, MiB; 0: a quarter of dom0's"},
	{{"store_quota", FIELD_NUMBER, AT(store_mib), 0, 1u << 30},
	 "0",
	 AT_RELOAD,
	 "disk space for images and snapshots together, MiB; 0: no limit"},
	{{"pool", FIELD_LIST, AT(pool)},
	 NULL,
	 AT_RELOAD,
	 "flavors of the pool, as for \"chaos pool set\"",
	 check_flavor},
	{{"run_dir", FIELD_PATH, AT(run_dir)}, "/run/chaos", AT_START, "registry, store, lock"},
	{{"console_log_dir", FIELD_PATH, AT(log_dir)},
	 "/var/log/chaos/console",
	 AT_START,
	 "console logs of VMs"},
	{{"cache_dir", FIELD_PATH, AT(cache_dir)},
	 "/var/cache/chaos",
	 AT_START,
	 "unpacked Linux kernels"},
	{{"image_dir", FIELD_PATH, AT(image_dir)},
	 "/var/lib/chaos/images",
	 AT_START,
	 "images that were imported, and snapshots"},
	{{"sleep_dir", FIELD_PATH, AT(sleep_dir)},
	 "/var/lib/chaos/asleep",
	 AT_START,
	 "files of VMs that are asleep"},
	{{"backend", FIELD_PATH, AT(backend_exe)},
	 CHAOS_BACKEND_EXE,
	 AT_START,
	 "the program that serves devices in user space"},
	{{"backend_user", FIELD_TEXT, AT(backend_user)},
	 "chaos-backend",
	 AT_START,
	 "the user that this program runs as"},
};
#define END (table + sizeof(table) / sizeof(table[0]))

int settings_init(struct settings *s, struct err *e)
{
	*s = (struct settings){0};
	for (const struct setting *t = table; t < END; t++)
		if (t->preset && field_set(&t->field, s, t->field.name, t->preset, e) < 0)
			return -ENOMEM;
	return 0;
}

void settings_clear(struct settings *s)
{
	for (const struct setting *t = table; t < END; t++)
		field_clear(&t->field, s);
}

int settings_set(struct settings *s, const char *key, const char *value, struct err *e)
{
	const struct setting *t = table;
	int rc;

	while (t < END && strcmp(t->field.name, key) != 0)
		t++;
	if (t == END)
		return err_set(e, EINVAL, "%s: an unknown setting; chaosd --help lists them", key);
	rc = t->check ? t->check(value, e) : 0;
	return rc < 0 ? rc : field_set(&t->field, s, key, value, e);
}

static void swap(const struct field *f, struct settings *a, struct settings *b)
{
	char *at_a = (char *)a + f->at;
	char *at_b = (char *)b + f->at;

	for (size_t i = 0; i < f->size; i++) {
		char byte = at_a[i];

		at_a[i] = at_b[i];
		at_b[i] = byte;
	}
}

void settings_reload(struct settings *now, struct settings *fresh)
{
	char text[32];

	for (const struct setting *t = table; t < END; t++) {
		if (t->taken == AT_RELOAD)
			swap(&t->field, now, fresh);
		else if (!field_same(&t->field, now, fresh))
			log_line(LOG_WARN, "op=reload: %s stays \"%s\" until chaosd is restarted",
				 t->field.name, field_text(&t->field, now, text, sizeof(text)));
	}
}

void settings_print(const struct settings *s)
{
	char text[32];

	for (const struct setting *t = table; t < END; t++) {
		const char *quote = t->field.type == FIELD_NUMBER ? "" : "\"";

		if (t->field.type != FIELD_LIST) {
			printf("%s = %s%s%s\n", t->field.name, quote,
			       field_text(&t->field, s, text, sizeof(text)), quote);
			continue;
		}
		printf("%s = [", t->field.name);
		for (uint32_t i = 0; i < s->pool.n; i++)
			printf("%s \"%s\"", i ? "," : "", s->pool.item[i]);
		printf(" ]\n");
	}
}

void settings_help(FILE *to)
{
	char range[128];

	for (const struct setting *t = table; t < END; t++) {
		const char *mark = t->taken == AT_RELOAD ? "*" : " ";

		field_range(&t->field, range, sizeof(range));
		(void)fprintf(to, "%s %-16s %s\n", mark, t->field.name, t->help);
		if (t->preset)
			(void)fprintf(to, "%19s%s%sdefault: %s\n", "", range, *range ? "; " : "",
				      t->preset);
	}
}

/* --- the file --- */

struct reading {
	struct settings *c;
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
			rc = settings_set(r->c, key, value ? value : "", e);
		}
		return rc;
	}
	if (xlu_cfg_get_string(r->xlu, key, &value, 1) != 0 || !value)
		return err_set(e, EINVAL, "%s: its value is neither a text nor a number", key);
	return settings_set(r->c, key, value, e);
}

static int parse(struct settings *c, const char *path, const char *text, size_t len, struct err *e)
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

int settings_read(struct settings *s, const char *path, bool optional, struct err *e)
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
		rc = err_set(e, EINVAL, "settings %s: not a text, or larger than 1 MiB", path);
	else
		rc = parse(s, path, text, n, e);
	(void)fclose(f);
	free(text);
	return rc;
}
