/* SPDX-License-Identifier: BSD-3-Clause */
/* vbds of chaos-backend: it gets the open disk. */
#include "split-toolstack/engine/devices/kind.h"

#include "backend/blkback.h"
#include "backend/client.h"

/* vbd_take_file() has opened it. */
int vbd_user_open(struct device *d, struct err *e)
{
	(void)e;
	d->user_fd = d->cfg.u.vbd.fd;
	d->cfg.u.vbd.fd = -1;
	return 0;
}

int vbd_user_offer(const struct device *d)
{
	int rc = device_offer(d, "sectors", d->sectors);

	if (rc == 0)
		rc = device_offer(d, "sector-size", 512);
	if (rc == 0)
		rc = device_offer(d, "info",
				  (d->cfg.u.vbd.readonly ? 4u : 0u) |
					  (d->cfg.u.vbd.cdrom ? 1u : 0u));
	if (rc == 0)
		rc = device_offer(d, "feature-flush-cache", 1);
	if (rc == 0)
		rc = device_offer(d, "feature-max-indirect-segments", BLK_SEGMENTS);
	if (rc == 0 && d->can_discard && d->cfg.u.vbd.discard)
		rc = device_offer(d, "feature-discard", 1);
	return rc;
}

void vbd_user_rings(struct device *d)
{
	d->rings.ring_ref[0] = device_front_u32(d, "ring-ref", 0);
}

int vbd_user_attach(struct device *d, struct backend_client *c, uint64_t number, bool again,
		    struct err *e)
{
	return backend_client_attach_vbd(
		c,
		&(struct backend_vbd){
			.head.id = number,
			.domid = d->key.domid,
			.remote_port = d->rings.port,
			.ring_ref = d->rings.ring_ref[0],
			.sectors = d->sectors,
			.flags = (again ? BLK_AGAIN : 0u) |
				 (d->cfg.u.vbd.readonly ? BLK_READ_ONLY : 0u) |
				 (d->can_discard && d->cfg.u.vbd.discard ? BLK_DISCARD : 0u)},
		d->user_fd, e);
}

static void disk_is_open(struct device *d, struct file *disk)
{
	struct err e = {0};
	int rc;

	if (d->user_state != USER_ATTACHING || d->user_fd >= 0)
		return;
	rc = vbd_take_file(d, disk, &e);
	if (rc == 0)
		rc = vbd_user_open(d, &e);
	if (rc == 0)
		rc = device_user_attach_now(d, d->attach_again, &e);
	if (rc == 0)
		return;
	d->user_state = USER_IDLE;
	device_user_broken(d, err_msg(&e));
}

int vbd_user_reopen(struct device *d, bool again, struct err *e)
{
	int rc;

	d->user_state = USER_ATTACHING; /* in a moment */
	d->attach_again = again;
	rc = device_open_later(d, FILE_DISK, disk_is_open, e);
	if (rc < 0)
		d->user_state = USER_IDLE;
	return rc;
}
