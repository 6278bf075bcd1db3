/* SPDX-License-Identifier: BSD-3-Clause */
/* The row of vbds: block devices. */
#include "split-toolstack/engine/devices/backend.h"
#include "split-toolstack/engine/devices/kind.h"
#include "split-toolstack/engine/parts/parts.h"

static uint32_t in_flavor(const struct pool_flavor *f)
{
	return f->vbds;
}

static int make_nodes(struct device *d)
{
	const struct vbd_config *c = &d->cfg.u.vbd;
	char name[16];
	struct devtree_vbd v = {.id = d->id,
				.dev = name,
				.params = c->path ? c->path : "",
				.readonly = c->readonly,
				.cdrom = c->cdrom,
				.discard = c->discard,
				.rings = d->noxs ? &d->rings : NULL,
				.user = d->backend->user};

	vdev_name(d->key.devid, name);
	v.major = d->major;
	v.minor = d->minor;
	return devtree_make_vbd(engine_devices(d->en)->host.store, &v);
}

static void page(const struct device *d, struct noxs_device *to)
{
	const struct vbd_config *c = &d->cfg.u.vbd;

	to->type = NOXS_DEV_VBD;
	to->flags = NOXS_VBD_FLUSH | (c->readonly ? NOXS_VBD_READONLY : 0) |
		    (c->discard && d->can_discard ? NOXS_VBD_DISCARD : 0);
	to->u.vbd.sectors = d->sectors;
	to->u.vbd.sector_size = d->sector_size;
	to->u.vbd.vdev = d->key.devid;
}

const struct device_kind_ops vbd_ops = {.driver = "xen-blkback",
					.admit = vbd_admit,
					.admit_file = vbd_admit_file,
					.reserve = vbd_reserve,
					.in_flavor = in_flavor,
					.take_file = vbd_take_file,
					.make_nodes = make_nodes,
					.page = page,
					.close_files = vbd_close_files,
					.adopt = vbd_adopt,
					.user_open = vbd_user_open,
					.user_offer = vbd_user_offer,
					.user_rings = vbd_user_rings,
					.user_attach = vbd_user_attach,
					.user_reopen = vbd_user_reopen};
