/* SPDX-License-Identifier: BSD-3-Clause */
/* Beside xenstored: writes the nodes from which xl reads a VM's name, and reads what xl writes
 * there. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/log.h"
#include "base/uuid.h"
#include "split-toolstack/engine/devices/mirror.h"
#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/guest/guest-t.h"
#include "split-toolstack/engine/guest/guests-t.h"
#include "split-toolstack/engine/guest/guests.h"
#include "split-toolstack/engine/guest/names.h"
#include "split-toolstack/engine/guest/names_private.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/services/idle.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/vms.h"

/*
 * For each VM xenstored has
 *
 *   /vm/UUID/chaosd         the domain's id: the VM is ours (the first one to come)
 *   /vm/UUID/uuid, name
 *   /libxl/ID/type          pv or pvh, without which xl takes a PVH domain for an HVM one
 *   /local/domain/ID/vm     "/vm/UUID"
 *   /local/domain/ID/name
 *
 * written in idle time, a VM at a time, when the mirror has nothing else to do. At a start all VMs
 * are written anew, and what has our mark and is no VM (any more) goes.
 */

#define PATH_MAX_LEN 96u

static bool is_served(const struct engine *en)
{
	return engine_mirror(en) && engine_guests(en)->names && !mirror_is_dead(engine_mirror(en));
}

/* --- what is to be done --- */

void names_changed(struct vm *vm)
{
	struct engine *en = vm_engine(vm);
	struct guest *g = vm_guest(vm);

	if (!is_served(en) || vm_domid(vm) == 0)
		return;
	if (!g->untold_prev)
		DL_APPEND2(engine_guests(en)->names->untold, g, untold_prev, untold_next);
	idle_later(engine_idle(en));
}

static void remove_untold(struct vm *vm)
{
	struct guest *g = vm_guest(vm);

	if (g->untold_prev)
		DL_DELETE2(engine_guests(vm_engine(vm))->names->untold, g, untold_prev,
			   untold_next);
	g->untold_prev = NULL;
}

static void will_go(struct engine *en, struct shown_name *s)
{
	DL_APPEND(engine_guests(en)->names->gone, s);
	idle_later(engine_idle(en));
}

void names_ended(struct vm *vm)
{
	struct guest *g = vm_guest(vm);

	remove_untold(vm);
	if (g->shown)
		will_go(vm_engine(vm), g->shown);
	g->shown = NULL;
}

void names_forget(struct vm *vm)
{
	struct guest *g = vm_guest(vm);

	remove_untold(vm);
	free(g->shown);
	g->shown = NULL;
}

/* --- writing --- */

struct place {
	char vm[sizeof("/vm/") + 36];
	char domain[32], libxl[24];
};

static void place_of(const uint8_t uuid[16], uint32_t domid, struct place *p)
{
	char text[37];

	uuid_print(uuid, text);
	(void)snprintf(p->vm, sizeof(p->vm), "/vm/%s", text);
	(void)snprintf(p->domain, sizeof(p->domain), "/local/domain/%u", domid);
	(void)snprintf(p->libxl, sizeof(p->libxl), "/libxl/%u", domid);
}

static void write_leaf(struct mirror *m, const char *at, const char *leaf, const char *value,
		       int *rc)
{
	char path[PATH_MAX_LEN];

	(void)snprintf(path, sizeof(path), "%s/%s", at, leaf);
	if (*rc == 0)
		*rc = mirror_put(m, path, value, (uint32_t)strlen(value));
}

static void rm(struct mirror *m, const char *at, const char *leaf)
{
	char path[PATH_MAX_LEN];

	(void)snprintf(path, sizeof(path), "%s%s%s", at, *leaf ? "/" : "", leaf);
	(void)mirror_rm(m, path); /* if there is no memory, the next daemon does it */
}

/* A guest with a store reads the state of its CPUs there; "xl vcpu-set" writes to xenstored. */
static void follow_cpus(struct vm *vm, const struct place *p, int *rc)
{
	struct guest *g = vm_guest(vm);
	char path[PATH_MAX_LEN];

	if (*rc < 0 || g->shown->cpus || vm_store_port(vm) == 0)
		return;
	(void)snprintf(path, sizeof(path), "%s/cpu", p->domain);
	*rc = mirror_follow(engine_mirror(vm_engine(vm)), path);
	g->shown->cpus = *rc == 0;
}

static struct shown_name *shown_new(const uint8_t uuid[16], uint32_t domid)
{
	struct shown_name *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->domid = domid;
	memcpy(s->uuid, uuid, sizeof(s->uuid));
	return s;
}

static int write_name(struct vm *vm)
{
	struct guest *g = vm_guest(vm);
	struct mirror *m = engine_mirror(vm_engine(vm));
	struct place p = {0};
	char text[16];
	int rc = 0;

	if (!g->shown)
		g->shown = shown_new(vm_uuid_bytes(vm), vm_domid(vm));
	if (!g->shown)
		return -ENOMEM;
	g->shown->domid = vm_domid(vm);
	place_of(vm_uuid_bytes(vm), vm_domid(vm), &p);
	(void)snprintf(text, sizeof(text), "%u", vm_domid(vm));
	write_leaf(m, p.vm, MIRROR_MARK, text, &rc);
	write_leaf(m, p.vm, "uuid", p.vm + sizeof("/vm/") - 1, &rc);
	write_leaf(m, p.vm, "name", vm_name(vm), &rc);
	write_leaf(m, p.libxl, "type", vm_cfg(vm)->type == DOM_PVH ? "pvh" : "pv", &rc);
	write_leaf(m, p.domain, "vm", p.vm, &rc);
	write_leaf(m, p.domain, "name", vm_name(vm), &rc);
	follow_cpus(vm, &p, &rc);
	g->shown->asked = mirror_asked(m);
	return rc;
}

/* Its id may belong to another domain by now: a VM, whose nodes replace these, or one of another
 * toolstack. */
static void remove_domain(struct engine *en, const struct shown_name *s, const struct place *p)
{
	struct xen_domain_info info;
	struct vm *vm = NULL;

	vm = vm_by_domid(en, s->domid);
	if (vm)
		return;
	if (xen_domain_info(engine_xen(en), s->domid, &info) == 0 &&
	    memcmp(info.uuid, s->uuid, sizeof(s->uuid)) != 0 &&
	    engine_guests(en)->ops->is_foreign(en, &info))
		return;
	rm(engine_mirror(en), p->libxl, "");
	if (!devices_of(en, s->domid)) { /* else it goes with the last of them */
		rm(engine_mirror(en), p->domain, "");
		return;
	}
	rm(engine_mirror(en), p->domain, "name");
	rm(engine_mirror(en), p->domain, "vm");
}

static void remove_shown(struct engine *en, const struct shown_name *s)
{
	struct vm *vm = NULL;
	struct place p = {0};
	char path[PATH_MAX_LEN];

	place_of(s->uuid, s->domid, &p);
	if (s->cpus) {
		(void)snprintf(path, sizeof(path), "%s/cpu", p.domain);
		(void)mirror_unfollow(engine_mirror(en), path);
	}
	remove_domain(en, s, &p);
	vm = vm_by_uuid(en, s->uuid);
	/* otherwise it has another domain, whose name was written */
	if (!vm || !vm_guest(vm)->shown)
		rm(engine_mirror(en), p.vm, "");
}

static void remove_first(struct engine *en)
{
	struct shown_name *s = engine_guests(en)->names->gone;

	DL_DELETE(engine_guests(en)->names->gone, s);
	remove_shown(en, s);
	free(s);
}

bool names_settle(struct engine *en, uint32_t most)
{
	struct names *n = engine_guests(en)->names;

	if (!is_served(en) || (!n->gone && !n->untold))
		return false;
	if (mirror_backlog(engine_mirror(en)))
		return true; /* devices, most of the time: they come first */
	for (; most && n->gone; most--)
		remove_first(en);
	for (; most && n->untold; most--) {
		struct vm *vm = n->untold->vm;

		if (write_name(vm) < 0)
			return true; /* without memory it is tried again */
		remove_untold(vm);
	}
	return n->gone || n->untold;
}

void names_flush(struct engine *en)
{
	struct guests *g = engine_guests(en);

	while (g && g->names && g->names->gone && engine_mirror(en))
		remove_first(en);
}

/* --- what is written there --- */

/* Our mark, at a start. For a VM that runs, the nodes are written again; if it ends before that,
 * the nodes of the last daemon are removed then. Without such a VM they are removed now. */
static void read_mark(struct engine *en, const uint8_t uuid[16], struct vm *vm, const char *value)
{
	uint32_t domid = (uint32_t)strtoul(value, NULL, 10);
	bool lives = vm && vm_domid(vm) == domid;
	struct shown_name *s;

	if (domid == 0 || (lives && vm_guest(vm)->shown))
		return;
	s = shown_new(uuid, domid);
	if (!s) {
		log_line(LOG_ERROR, "op=clean dom=%u: its name is left in xenstored: out of memory",
			 domid);
	} else if (lives) {
		s->asked = mirror_asked(engine_mirror(en));
		vm_guest(vm)->shown = s;
	} else {
		log_line(LOG_INFO, "op=clean dom=%u: its name was left in xenstored", domid);
		will_go(en, s);
	}
}

/* A value that was read before the last write was done is ignored. */
static void read_name(struct vm *vm, const char *value, uint64_t done)
{
	struct guest *g = vm_guest(vm);

	if (!value || g->untold_prev || !g->shown || done < g->shown->asked ||
	    strcmp(value, vm_name(vm)) == 0)
		return;
	if (!names_by_tool(vm, value))
		names_changed(vm);
}

/* "/local/domain/<domid>/cpu/<n>/availability" */
static bool parse_cpu(const char *path, uint32_t *domid, uint32_t *cpu)
{
	int end = 0;

	/* Of a watch's own path. NOLINTNEXTLINE(cert-err34-c) */
	return sscanf(path, "/local/domain/%u/cpu/%u/availability%n", domid, cpu, &end) == 2 &&
	       end > 0 && path[end] == '\0';
}

static void read_cpu(struct engine *en, uint32_t domid, uint32_t cpu, const char *path,
		     const char *value)
{
	struct vm *vm = NULL;
	const char *has;

	vm = vm_by_domid(en, domid);
	if (!vm || !vm_guest(vm)->shown || !vm_guest(vm)->shown->cpus || !value ||
	    (strcmp(value, "online") != 0 && strcmp(value, "offline") != 0))
		return;
	has = store_get(engine_guests(en)->tree, path, NULL);
	if (!has || strcmp(has, value) == 0)
		return;
	log_line(LOG_INFO, "op=vcpu-set dom=%u name=%s vcpu=%u: %s, by a tool of dom0", domid,
		 vm_name(vm), cpu, value);
	(void)store_put(engine_guests(en)->tree, path, value, (uint32_t)strlen(value));
}

bool names_news(struct engine *en, const char *path, const char *value, uint64_t done)
{
	struct vm *vm = NULL;
	const char *leaf;
	uint8_t uuid[16];
	uint32_t domid;
	uint32_t cpu;

	if (parse_cpu(path, &domid, &cpu)) {
		read_cpu(en, domid, cpu, path, value);
		return true;
	}
	if (!names_parse(path, uuid, &leaf))
		return strncmp(path, "/vm", 3) == 0;
	vm = vm_by_uuid(en, uuid);
	if (strcmp(leaf, MIRROR_MARK) == 0 && value)
		read_mark(en, uuid, vm, value);
	else if (strcmp(leaf, "name") == 0 && vm)
		read_name(vm, value, done);
	else if (strcmp(leaf, "name") == 0)
		names_other(en, uuid, value);
	return true;
}

void names_follow(struct engine *en)
{
	if (mirror_follow(engine_mirror(en), MIRROR_NAMES) < 0)
		log_line(LOG_ERROR, "xenstored: names are not followed: out of memory");
}
