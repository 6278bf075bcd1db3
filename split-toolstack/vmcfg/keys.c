/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of supported keys, and how each is set from text; the keys of devices are in devices.c.
 */
#include "split-toolstack/vmcfg/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/uuid.h"
#include "split-toolstack/engine/images/imagestore.h"
#include "split-toolstack/vmcfg/field.h"

/* Every key is set from text: `value` is text of the configuration or of a client. */
struct key {
	struct field field; /* its name; and of a plain value, in struct vm_config, all else */
	/* NULL: it is a plain value. */
	int (*set)(struct vmcfg_walk *w, const char *key, const char *value, struct err *e);
	/* From a list, which replaces what the key had. NULL: from its items with commas between.
	 */
	int (*set_list)(struct vmcfg_walk *w, const char *key, XLU_ConfigList *list, int n,
			struct err *e);
};

/* --- setters --- */

static int keep(char **to, const char *value, struct err *e)
{
	char *copy = strdup(value);

	if (!copy)
		return err_set(e, ENOMEM, "out of memory");
	free(*to);
	*to = copy;
	return 0;
}

static int set_name(struct vmcfg_walk *w, const char *key, const char *value, struct err *e)
{
	if (*value == '\0')
		return err_set(e, EINVAL, "%s: is empty; leave it out for a generated one", key);
	if (snprintf(w->c->name, sizeof(w->c->name), "%s", value) > VM_NAME_MAX)
		return err_set(e, EINVAL, "%s \"%.40s...\": longer than %d characters", key, value,
			       VM_NAME_MAX);
	return 0;
}

static int set_type(struct vmcfg_walk *w, const char *key, const char *value, struct err *e)
{
	w->have_type = true;
	if (strcmp(value, "pv") == 0)
		w->c->type = DOM_PV;
	else if (strcmp(value, "pvh") == 0)
		w->c->type = DOM_PVH;
	else if (strcmp(value, "hvm") == 0)
		return err_set(e, EOPNOTSUPP, "%s \"hvm\": chaos runs pv and pvh guests only", key);
	else
		return err_set(e, EINVAL, "%s \"%s\": use \"pv\" or \"pvh\"", key, value);
	return 0;
}

static int set_builder(struct vmcfg_walk *w, const char *key, const char *value, struct err *e)
{
	(void)w;
	if (strcmp(value, "generic") == 0 || strcmp(value, "linux") == 0 ||
	    strcmp(value, "pv") == 0)
		return 0;
	return err_set(e, EOPNOTSUPP,
		       "%s \"%s\": chaos runs pv and pvh guests only; use type=", key, value);
}

/* The form of older files, before type="pvh". */
static int set_pvh(struct vmcfg_walk *w, const char *key, const char *value, struct err *e)
{
	uint32_t pvh;
	int rc = vmcfg_number(key, value, 0, 1, &pvh, e);

	w->pvh = rc == 0 && pvh;
	return rc;
}

static int set_path(struct vmcfg_walk *w, char **to, const char *key, const char *value,
		    struct err *e)
{
	char *path;

	if (*value == '\0')
		return err_set(e, EINVAL, "%s: is empty", key);
	if (*value == '/')
		return keep(to, value, e);
	if (!w->v->cwd)
		return err_set(e, EINVAL, "%s \"%s\": give a path that begins with /", key, value);
	if (asprintf(&path, "%s/%s", w->v->cwd, value) < 0)
		return err_set(e, ENOMEM, "out of memory");
	free(*to);
	*to = path;
	return 0;
}

static int set_kernel(struct vmcfg_walk *w, const char *key, const char *value, struct err *e)
{
	if (strncmp(value, IMAGE_PREFIX, strlen(IMAGE_PREFIX)) == 0)
		return keep(&w->c->kernel, value, e);
	return set_path(w, &w->c->kernel, key, value, e);
}

static int set_ramdisk(struct vmcfg_walk *w, const char *key, const char *value, struct err *e)
{
	if (*value == '\0') { /* none */
		free(w->c->ramdisk);
		w->c->ramdisk = NULL;
		return 0;
	}
	return set_path(w, &w->c->ramdisk, key, value, e);
}

static int set_cmdline(struct vmcfg_walk *w, const char *key, const char *value, struct err *e)
{
	(void)key;
	w->have_cmdline = true;
	return keep(&w->c->cmdline, value, e);
}

static int set_extra(struct vmcfg_walk *w, const char *key, const char *value, struct err *e)
{
	(void)key;
	return keep(&w->extra, value, e);
}

static int set_root(struct vmcfg_walk *w, const char *key, const char *value, struct err *e)
{
	(void)key;
	return keep(&w->root, value, e);
}

static int set_maxmem(struct vmcfg_walk *w, const char *key, const char *value, struct err *e)
{
	if (strcmp(value, "0") == 0) { /* as much as memory */
		w->c->maxmem_kib = 0;
		return 0;
	}
	return vmcfg_memory(key, value, &w->c->maxmem_kib, e);
}

static int set_cpus(struct vmcfg_walk *w, const char *key, const char *value, struct err *e)
{
	const char *end = value;

	(void)key;
	vmcfg_list_clear(&w->cpus);
	w->cpus_each = strchr(value, ';') != NULL;
	for (; *value; value = *end ? end + 1 : end) {
		end = value + strcspn(value, ";");
		if (vmcfg_add(&w->cpus, value, (size_t)(end - value)) < 0)
			return err_set(e, ENOMEM, "out of memory");
	}
	return 0;
}

/* A text for each vCPU. */
static int set_cpus_list(struct vmcfg_walk *w, const char *key, XLU_ConfigList *list, int n,
			 struct err *e)
{
	vmcfg_list_clear(&w->cpus);
	w->cpus_each = true;
	for (int i = 0; i < n; i++) {
		const char *item = xlu_cfg_get_listitem(list, i);

		if (!item)
			return err_set(e, EINVAL, "%s: item %d is not a text", key, i + 1);
		if (vmcfg_add(&w->cpus, item, strlen(item)) < 0)
			return err_set(e, ENOMEM, "out of memory");
	}
	return 0;
}

static int set_uuid(struct vmcfg_walk *w, const char *key, const char *value, struct err *e)
{
	if (uuid_read(value, w->c->uuid) < 0)
		return err_set(e, EINVAL,
			       "%s \"%s\": not of the form 01234567-89ab-cdef-0123-456789abcdef",
			       key, value);
	w->c->have_uuid = true;
	return 0;
}

static int set_action(struct vmcfg_walk *w, const char *key, const char *value, struct err *e)
{
	enum vm_action *to = strcmp(key, "on_poweroff") == 0 ? &w->c->on_poweroff
			     : strcmp(key, "on_reboot") == 0 ? &w->c->on_reboot
							     : &w->c->on_crash;

	if (vm_action_parse(value, to) == 0)
		return 0;
	return err_set(e, EINVAL, "%s \"%s\": use destroy, restart, rename-restart or preserve",
		       key, value);
}

/* Without XSM, Xen gives no domain a label, with any toolstack. */
static int set_seclabel(struct vmcfg_walk *w, const char *key, const char *value, struct err *e)
{
	char text[256];

	if (*value == '\0')
		return 0;
	if (w->v->xen && xen_has_xsm(w->v->xen))
		return vmcfg_refuse_key(w, key, "XSM labels are not supported", e);
	(void)snprintf(text, sizeof(text), "%s \"%.80s\": this Xen has no XSM, and no labels", key,
		       value);
	return vmcfg_warning(&w->v->warning, text, e);
}

#define AT(member) FIELD_AT(struct vm_config, member)

static const struct key keys[] = {
	{{"name"}, set_name},
	{{"type"}, set_type},
	{{"builder"}, set_builder},
	{{"pvh"}, set_pvh},
	{{"kernel"}, set_kernel},
	{{"ramdisk"}, set_ramdisk},
	{{"cmdline"}, set_cmdline},
	{{"extra"}, set_extra},
	{{"root"}, set_root},
	{{"memory", FIELD_MEMORY, AT(mem_kib)}},
	{{"maxmem"}, set_maxmem},
	{{"vcpus", FIELD_NUMBER, AT(vcpus), 1, DOM_MAX_VCPUS}},
	{{"maxvcpus", FIELD_NUMBER, AT(maxvcpus), 1, DOM_MAX_VCPUS}},
	{{"cpus"}, set_cpus, set_cpus_list},
	{{"cpu_weight", FIELD_NUMBER, AT(weight), 1, 65535}},
	{{"cap", FIELD_NUMBER, AT(cap), 0, 100 * DOM_MAX_VCPUS}},
	{{"max_grant_frames"}, vmcfg_limit},
	{{"max_maptrack_frames"}, vmcfg_limit},
	{{"max_grant_version"}, vmcfg_limit},
	{{"max_event_channels"}, vmcfg_limit},
	{{"agent", FIELD_NUMBER, AT(agent), 0, 1}},
	{{"fork"}, vmcfg_fork},
	{{"fork_depth"}, vmcfg_fork},
	{{"uuid"}, set_uuid},
	{{"on_poweroff"}, set_action},
	{{"on_reboot"}, set_action},
	{{"on_crash"}, set_action},
	{{"seclabel"}, set_seclabel},
	{{"init_seclabel"}, set_seclabel},
};

static const struct key *find_key(const char *name)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(keys[i].field.name, name) == 0)
			return &keys[i];
	return NULL;
}

/* The keys to ignore: one, or several separated by commas. */
static bool is_ignored(const struct vmcfg *v, const char *name)
{
	size_t len = strlen(name);

	for (uint32_t i = 0; i < v->ignore.n; i++) {
		const char *at = v->ignore.item[i];

		for (; *at; at += strcspn(at, ","), at += *at == ',')
			if (strcspn(at, ",") == len && strncmp(at, name, len) == 0)
				return true;
	}
	return false;
}

int vmcfg_set_key(struct vmcfg_walk *w, const char *name, const char *value, struct err *e)
{
	const struct key *k = find_key(name);
	enum device_kind kind;

	if (is_ignored(w->v, name))
		return 0;
	if (device_kind_by_word(name, &kind) == 0)
		return vmcfg_add_device(w, kind, value, e);
	if (!k)
		return vmcfg_other_key(w, name, value, e);
	return k->set ? k->set(w, name, value, e) : field_set(&k->field, w->c, name, value, e);
}

/* The items of a list, separated by commas. */
static int join_list(XLU_ConfigList *list, int n, char *to, size_t room)
{
	size_t used = 0;

	to[0] = '\0';
	for (int i = 0; i < n; i++) {
		const char *item = xlu_cfg_get_listitem(list, i);
		int len = snprintf(to + used, room - used, "%s%s", i ? "," : "", item ? item : "");

		if (len < 0 || (size_t)len >= room - used)
			return -E2BIG;
		used += (size_t)len;
	}
	return 0;
}

int vmcfg_set_list(struct vmcfg_walk *w, const char *name, XLU_ConfigList *list, int n,
		   struct err *e)
{
	const struct key *k = find_key(name);
	enum device_kind kind;
	char joined[4096];

	if (is_ignored(w->v, name))
		return 0;
	if (device_kind_by_word(name, &kind) == 0)
		return vmcfg_set_devices(w, kind, list, n, e);
	if (!k)
		return vmcfg_other_key(w, name, n ? NULL : "", e);
	if (k->set_list)
		return k->set_list(w, name, list, n, e);
	if (n == 0)
		return 0; /* an empty list means not given */
	if (join_list(list, n, joined, sizeof(joined)) < 0)
		return err_set(e, E2BIG, "%s: the list is too long", name);
	return vmcfg_set_key(w, name, joined, e);
}
