/* SPDX-License-Identifier: BSD-3-Clause */
/* From one set of settings to another. */
#include "split-toolstack/chaosd/reload.h"

#include <stdlib.h>
#include <string.h>

#include "split-toolstack/vmcfg/pool.h"

static void was_set(void *arg, int rc, const struct err *e)
{
	(void)arg;
	if (rc < 0)
		log_line(LOG_ERROR, "op=reload: %s", err_msg(e));
}

enum when { AT_START, NOW, END };

/* Images are read on the loop only before it runs. */
static int set_flavor(struct engine *en, const char *text, enum when when, struct err *e)
{
	struct pool_flavor f;
	int rc = poolcfg_parse(text, &f, e);

	if (rc < 0)
		return rc;
	if (when == END)
		f.low = f.high = 0;
	rc = when == AT_START ? pool_set(en, &f, e) : pool_set_later(en, &f, was_set, NULL, e);
	poolcfg_clear(&f);
	return rc;
}

/* Removed from the list, so that a reload of the same settings tries it again. */
static void leave_out(struct vmcfg_list *l, uint32_t i)
{
	free(l->item[i]);
	l->n--;
	memmove(&l->item[i], &l->item[i + 1], (l->n - i) * sizeof(*l->item));
}

void reload_pool(struct engine *en, struct vmcfg_list *pool)
{
	for (uint32_t i = 0; i < pool->n;) {
		struct err e = {0};

		if (set_flavor(en, pool->item[i], AT_START, &e) == 0) {
			i++;
			continue;
		}
		log_line(LOG_ERROR,
			 "op=start pool=\"%s\": %s; it is left out, SIGHUP tries it again",
			 pool->item[i], err_msg(&e));
		leave_out(pool, i);
	}
}

static bool has(const struct vmcfg_list *l, const char *text)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (strcmp(l->item[i], text) == 0)
			return true;
	return false;
}

/* Only changed flavors are set: one that stays keeps its shells. */
static void change_pool(struct engine *en, const struct vmcfg_list *old,
			const struct vmcfg_list *fresh)
{
	struct err e = {0};

	for (uint32_t i = 0; i < old->n; i++)
		if (!has(fresh, old->item[i]))
			(void)set_flavor(en, old->item[i], END, NULL);
	for (uint32_t i = 0; i < fresh->n; i++) {
		if (has(old, fresh->item[i]))
			continue;
		e = (struct err){0};
		if (set_flavor(en, fresh->item[i], NOW, &e) < 0)
			log_line(LOG_ERROR, "op=reload: %s", err_msg(&e));
	}
}

struct engine_limits settings_limits(const struct settings *s)
{
	return (struct engine_limits){.console_log_kib = s->console_log_kib,
				      .history_max = s->history,
				      .rcu_expedited = s->rcu_expedited,
				      .pool_kib = s->pool_kib,
				      .branch_kib = (uint64_t)s->branch_mib << 10,
				      .store_kib = (uint64_t)s->store_mib << 10};
}

void reload_settings(struct engine *en, struct settings *now, struct settings *fresh)
{
	struct engine_limits limits;

	settings_reload(now, fresh);
	limits = settings_limits(now);
	log_set_level(now->log_level);
	engine_set_limits(en, &limits);
	change_pool(en, &fresh->pool, &now->pool); /* swapped: `fresh` has the old one */
}
