/* SPDX-License-Identifier: BSD-3-Clause */
/* Names: those that dom0's tools write for our VMs in the store, and those of domains that are
 * not ours. */
#include "split-toolstack/engine/guest/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/log.h"
#include "base/uuid.h"
#include "split-toolstack/engine/guest/guest_store.h"
#include "split-toolstack/engine/guest/guests-t.h"
#include "split-toolstack/engine/guest/guests.h"
#include "split-toolstack/engine/guest/names_private.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/services/domains.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/vms.h"

#define UUID_AT	 (sizeof("/vm/") - 1)
#define UUID_LEN 36u

bool names_parse(const char *path, uint8_t uuid[16], const char **leaf)
{
	char text[UUID_LEN + 1];

	if (strncmp(path, "/vm/", UUID_AT) != 0 || strlen(path) < UUID_AT + UUID_LEN)
		return false;
	memcpy(text, path + UUID_AT, UUID_LEN);
	text[UUID_LEN] = '\0';
	*leaf = path + UUID_AT + UUID_LEN;
	if (**leaf == '/')
		(*leaf)++;
	else if (**leaf)
		return false;
	return uuid_read(text, uuid) == 0;
}

/* --- domains of other toolstacks --- */

static void remove_other(struct names *n, struct other_name *o)
{
	HASH_DELETE(by_uuid, n->uuids, o);  /* NOLINT(clang-analyzer-*) */
	HASH_DELETE(by_name, n->others, o); /* NOLINT(clang-analyzer-*) */
	engine_guests(n->en)->others--;
	free(o);
}

void names_other(struct engine *en, const uint8_t uuid[16], const char *name)
{
	struct names *n = engine_guests(en)->names;
	struct other_name *o = NULL;

	HASH_FIND(by_uuid, n->uuids, uuid, 16, o);
	if (o && name && strcmp(o->name, name) == 0)
		return;
	if (o)
		remove_other(n, o);
	if (!name || *name == '\0')
		return;
	o = calloc(1, sizeof(*o) + strlen(name) + 1);
	if (!o) {
		log_line(LOG_ERROR, "the name of a domain of another toolstack, %s: out of memory",
			 name);
		return;
	}
	memcpy(o->uuid, uuid, sizeof(o->uuid));
	memcpy(o->name, name, strlen(name) + 1);
	HASH_ADD(by_uuid, n->uuids, uuid[0], sizeof(o->uuid), o);
	HASH_ADD_KEYPTR(by_name, n->others, o->name, strlen(o->name), o);
	engine_guests(en)->others++;
}

struct search {
	const uint8_t *uuid;
	struct xen_domain_info found;
	bool is;
};

static bool compare(const struct xen_domain_info *info, void *arg)
{
	struct search *s = arg;

	s->is = memcmp(info->uuid, s->uuid, sizeof(info->uuid)) == 0;
	if (s->is)
		s->found = *info;
	return !s->is;
}

/* Tools that are interrupted leave names of domains that do not exist any more. */
static bool lives(struct engine *en, const uint8_t uuid[16])
{
	struct search s = {.uuid = uuid};

	if (domains_walk(engine_xen(en), compare, &s, NULL) < 0)
		return true; /* not known: the name may be taken */
	return s.is && !s.found.dying && engine_guests(en)->ops->is_foreign(en, &s.found);
}

bool names_has_others(const struct engine *en)
{
	return engine_guests(en)->others > 0;
}

int names_search(struct engine *en, const char *name, struct err *e)
{
	struct names *n = engine_guests(en)->names;
	struct other_name *o = NULL;

	for (;;) {
		HASH_FIND(by_name, n->others, name, strlen(name), o);
		if (!o)
			return 0;
		if (lives(en, o->uuid))
			return err_set(e, EEXIST,
				       "name \"%s\": taken by a domain of another toolstack; "
				       "choose another",
				       name);
		remove_other(n, o);
	}
}

const char *names_of(struct engine *en, const struct xen_domain_info *info)
{
	struct other_name *o = NULL;
	const char *name;
	char path[64];

	(void)snprintf(path, sizeof(path), "/local/domain/%u/name", info->domid);
	name = store_get(engine_guests(en)->tree, path, NULL);
	if (name)
		return name;
	HASH_FIND(by_uuid, engine_guests(en)->names->uuids, info->uuid, sizeof(info->uuid), o);
	return o ? o->name : NULL;
}

/* --- what tools call a VM of ours --- */

bool names_by_tool(struct vm *vm, const char *value)
{
	char name[VM_NAME_MAX + 2];
	struct err e = {0};

	(void)snprintf(name, sizeof(name), "%s", value);
	if (engine_guests(vm_engine(vm))->ops->rename(vm, name, &e) == 0) {
		log_line(LOG_INFO, "op=rename dom=%u name=%s: by a tool of dom0", vm_domid(vm),
			 name);
		return true;
	}
	log_line(LOG_WARN, "op=rename dom=%u name=%s: a tool of dom0 wrote another name: %s",
		 vm_domid(vm), vm_name(vm), err_msg(&e));
	return false;
}

/* --- mode own: the store is ours --- */

/* A tool has renamed the VM ("xl rename" writes here, and in the domain's own folder). A name
 * that is not allowed is replaced by the old one. */
static void on_change(struct store_hook *h, const char *path, bool removed, uint32_t by)
{
	struct names *n = (struct names *)(void *)((char *)h - offsetof(struct names, hook));
	struct engine *en = n->en;
	const char *value;
	const char *leaf;
	struct vm *vm = NULL;
	uint8_t uuid[16];

	if (by != 0 || !names_parse(path, uuid, &leaf) ||
	    (strcmp(leaf, "name") != 0 && !(removed && *leaf == '\0')))
		return;
	value = removed ? NULL : store_get(engine_guests(en)->tree, path, NULL);
	vm = vm_by_uuid(en, uuid);
	if (!vm)
		names_other(en, uuid, value);
	else if (value && strcmp(value, vm_name(vm)) != 0 && !names_by_tool(vm, value))
		guest_store_renamed(vm);
}

static void add_other(const char *name, void *arg)
{
	struct engine *en = arg;
	struct vm *vm = NULL;
	uint8_t uuid[16];
	char path[64];

	if (snprintf(path, sizeof(path), "/vm/%s/name", name) >= (int)sizeof(path) ||
	    uuid_read(name, uuid) < 0)
		return;
	vm = vm_by_uuid(en, uuid);
	if (!vm)
		names_other(en, uuid, store_get(engine_guests(en)->tree, path, NULL));
}

void names_adopted(struct engine *en)
{
	if (engine_store_mode(en) != STORE_BESIDE)
		(void)store_children(engine_guests(en)->tree, "/vm", add_other, en);
}

int names_open(struct engine *en, struct err *e)
{
	struct names *n = calloc(1, sizeof(*n));

	if (!n)
		return err_set(e, ENOMEM, "out of memory");
	n->en = en;
	n->hook.fn = on_change;
	if (store_hook(engine_guests(en)->tree, &n->hook, "/vm") < 0) {
		free(n);
		return err_set(e, ENOMEM, "out of memory");
	}
	engine_guests(en)->names = n;
	return 0;
}

/* Names that are still in xenstored are not removed: the next daemon finds them. */
static void free_gone(struct names *n)
{
	struct shown_name *s;

	while ((s = n->gone) != NULL) {
		DL_DELETE(n->gone, s);
		free(s);
	}
}

void names_close(struct engine *en)
{
	struct names *n = engine_guests(en)->names;
	struct other_name *o = NULL;
	struct other_name *tmp = NULL;

	if (!n)
		return;
	free_gone(n);
	store_unhook(engine_guests(en)->tree, &n->hook);
	HASH_ITER(by_uuid, n->uuids, o, tmp)
	{
		remove_other(n, o);
	}
	free(n);
	engine_guests(en)->names = NULL;
}
