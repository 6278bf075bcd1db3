/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices as clients write and read them: a row for each kind. */
#include "split-toolstack/vmcfg/devices.h"

#include <errno.h>
#include <stdlib.h>

#include "split-toolstack/vmcfg/private.h"

#define DECLARE(name, NUMBER) extern const struct vmcfg_device_ops vmcfg_##name##_ops;
DEVICE_KINDS_ALL(DECLARE)

#define ROW(name, NUMBER) [DEVICE_##NUMBER] = &vmcfg_##name##_ops,
static const struct vmcfg_device_ops *const rows[DEVICE_KINDS] = {DEVICE_KINDS_ALL(ROW)};

int vmcfg_device(enum device_kind kind, const char *spec, const char *cwd,
		 struct vmcfg_list *warning, struct device_config *out, struct err *e)
{
	return rows[kind]->parse(spec, cwd, warning, out, e);
}

void vmcfg_device_fields(struct wire_out *w, const struct device_info *d)
{
	rows[d->config->kind]->fields(w, d);
}

/* Removes the devices of a kind: a later list replaces an earlier one. */
static void drop_devices(struct vm_config *c, enum device_kind kind)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < c->ndevice; i++) {
		if (c->device[i].kind == kind)
			device_config_clear(&c->device[i]);
		else
			c->device[kept++] = c->device[i];
	}
	c->ndevice = kept;
}

/* Takes ownership of the contents of `d`. */
static int add_device(struct vm_config *c, struct device_config *d, struct err *e)
{
	struct device_config *grown = NULL;

	if (c->ndevice < VM_DEVICES_MAX)
		grown = realloc(c->device, (c->ndevice + 1) * sizeof(*grown));
	if (!grown) {
		int rc = c->ndevice < VM_DEVICES_MAX
				 ? err_set(e, ENOMEM, "out of memory")
				 : err_set(e, E2BIG, "a VM has at most %u devices", VM_DEVICES_MAX);

		device_config_clear(d);
		return rc;
	}
	c->device = grown;
	c->device[c->ndevice++] = *d;
	return 0;
}

int vmcfg_add_device(struct vmcfg_walk *w, enum device_kind kind, const char *value, struct err *e)
{
	struct device_config d;
	int rc = vmcfg_device(kind, value, w->v->cwd, &w->v->warning, &d, e);

	return rc < 0 ? rc : add_device(w->c, &d, e);
}

int vmcfg_set_devices(struct vmcfg_walk *w, enum device_kind kind, XLU_ConfigList *list, int n,
		      struct err *e)
{
	int rc = 0;

	drop_devices(w->c, kind);
	for (int i = 0; rc == 0 && i < n; i++) {
		const char *item = xlu_cfg_get_listitem(list, i);

		rc = item ? vmcfg_add_device(w, kind, item, e)
			  : err_set(e, EINVAL, "%s: item %d is not a text", device_kind_word(kind),
				    i + 1);
	}
	return rc;
}
