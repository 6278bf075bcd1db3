/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks whether a VM may have its devices. */
#include "split-toolstack/engine/devices/admit.h"

#include <errno.h>

#include "split-toolstack/engine/devices/kind.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"

static int admit(struct engine *en, const struct vm *self, const struct device_config *d,
		 struct err *e)
{
	int rc = device_possible(en, d->backend, e);

	if (rc < 0)
		return err_wrap(e, rc, "%s", device_kind_word(d->kind));
	return engine_devices(en)->kinds[d->kind]->admit(en, self, d, e);
}

/* Of several errors the permanent one is reported, not one that will end by itself. */
static int worse(int so_far, int rc, const struct err *why, struct err *e)
{
	if (rc == 0 || (rc == -EAGAIN && so_far < 0))
		return so_far;
	err_copy(e, why);
	return rc;
}

int devices_admit(struct engine *en, const struct vm *self, const struct vm_config *c,
		  struct err *e)
{
	int rc = c->ndevice ? engine_devices(en)->host.store_check_room(en, e) : 0;

	for (uint32_t i = 0; (rc == 0 || rc == -EAGAIN) && i < c->ndevice; i++) {
		struct err why = {0};

		rc = worse(rc, admit(en, self, &c->device[i], &why), &why, e);
	}
	return rc;
}

int devices_possible(const struct engine *en, const struct vm_config *c, struct err *e)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < c->ndevice; i++) {
		rc = device_possible(en, c->device[i].backend, e);
		if (rc < 0)
			rc = err_wrap(e, rc, "%s", device_kind_word(c->device[i].kind));
	}
	return rc;
}

bool devices_are_written(const struct vm_config *c)
{
	bool any = false;

	for (uint32_t i = 0; !any && i < c->ndevice; i++) {
		const struct vbd_config *file = device_file(&c->device[i]);

		any = file && !file->readonly;
	}
	return any;
}

bool devices_have_files(const struct vm_config *c)
{
	bool any = false;

	for (uint32_t i = 0; !any && i < c->ndevice; i++)
		any = device_file(&c->device[i]) != NULL;
	return any;
}

int devices_add_files(const struct vm_config *c, struct files *f, struct err *e)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < c->ndevice; i++)
		if (device_file(&c->device[i]))
			rc = files_add_disk(f, FILE_DISK, &c->device[i], e);
	return rc;
}

int disks_admit(struct vm *vm, struct files *f, struct err *e)
{
	struct vm_config *c = vm_change_cfg(vm);
	int rc = 0;

	for (uint32_t i = 0; (rc == 0 || rc == -EAGAIN) && i < c->ndevice; i++) {
		const struct device_kind_ops *kind =
			engine_devices(vm_engine(vm))->kinds[c->device[i].kind];
		const struct file *file =
			device_file(&c->device[i]) ? files_disk(f, c->device[i].devid) : NULL;
		struct err why = {0};

		if (file)
			rc = worse(rc,
				   kind->admit_file(vm, &c->device[i], c->device, i, file, &why),
				   &why, e);
	}
	return rc;
}

int device_admit(struct vm *vm, struct device_config *d, const struct file *file, struct err *e)
{
	int rc = engine_devices(vm_engine(vm))->host.store_check_room(vm_engine(vm), e);

	if (rc == 0)
		rc = admit(vm_engine(vm), vm, d, e);
	if (rc == 0 && file)
		rc = engine_devices(vm_engine(vm))
			     ->kinds[d->kind]
			     ->admit_file(vm, d, vm_cfg(vm)->device, vm_cfg(vm)->ndevice, file, e);
	return rc;
}
