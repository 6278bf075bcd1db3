/* SPDX-License-Identifier: BSD-3-Clause */
/* Names go both ways: what dom0's tools call a VM of ours in the store, and what it calls the
 * domains that are not ours.
 */
#include "split-toolstack/engine/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/uuid.h"

struct names {
	struct engine *en;
	struct store_hook hook; /* at "/vm": changes there are few, unlike in /local/domain */
};

/* "/vm/<uuid>/name" of a VM that lives. */
static struct vm *named_by(struct engine *en, const char *path)
{
	struct vm *vm = NULL;
	uint8_t uuid[16];
	char text[37];

	if (strlen(path) != sizeof("/vm/") - 1 + 36 + sizeof("/name") - 1 ||
	    strcmp(path + 40, "/name") != 0)
		return NULL;
	memcpy(text, path + 4, 36);
	text[36] = '\0';
	if (uuid_read(text, uuid) == 0)
		HASH_FIND(by_uuid, en->uuids, uuid, sizeof(uuid), vm);
	return vm;
}

/* A tool has renamed it ("xl rename" writes here, and in the domain's own folder). A name that
 * cannot be is taken back. */
static void on_change(struct store_hook *h, const char *path, bool removed, uint32_t by)
{
	struct names *n = (struct names *)(void *)((char *)h - offsetof(struct names, hook));
	struct vm *vm = by == 0 && !removed ? named_by(n->en, path) : NULL;
	char name[VM_NAME_MAX + 2];
	const char *value = vm ? store_get(n->en->tree, path, NULL) : NULL;
	struct err e = {0};

	if (!value || strcmp(value, vm->name) == 0)
		return;
	(void)snprintf(name, sizeof(name), "%s", value);
	if (vm_rename(vm, name, &e) == 0) {
		log_line(LOG_INFO, "op=rename dom=%u name=%s: by a tool of dom0", vm->domid, name);
		return;
	}
	log_line(LOG_WARN, "op=rename dom=%u name=%s: a tool of dom0 wrote another name: %s",
		 vm->domid, vm->name, err_msg(&e));
	vm_view_renamed(vm);
}

const char *names_of(struct engine *en, uint32_t domid)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/local/domain/%u/name", domid);
	return store_get(en->tree, path, NULL);
}

int names_open(struct engine *en, struct err *e)
{
	struct names *n = calloc(1, sizeof(*n));

	if (!n)
		return err_set(e, ENOMEM, "out of memory");
	n->en = en;
	n->hook.fn = on_change;
	if (store_hook(en->tree, &n->hook, "/vm") < 0) {
		free(n);
		return err_set(e, ENOMEM, "out of memory");
	}
	en->names_of_tools = n;
	return 0;
}

void names_close(struct engine *en)
{
	if (!en->names_of_tools)
		return;
	store_unhook(en->tree, &en->names_of_tools->hook);
	free(en->names_of_tools);
	en->names_of_tools = NULL;
}
