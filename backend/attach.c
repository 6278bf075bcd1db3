/* SPDX-License-Identifier: BSD-3-Clause */
/* Attaching and releasing devices: grants mapped, ports bound, files checked. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <net/if.h>
#include <linux/if_tun.h>

#include "backend/device.h"

#define DOMIDS 0x7ff0u

static struct device *find(const struct devices *d, uint64_t id)
{
	struct device *dev = d->first;

	while (dev && dev->id != id)
		dev = dev->next;
	return dev;
}

static int new_device(struct devices *d, const struct backend_head *head, uint32_t domid, int fd,
		      struct device **out, struct err *e)
{
	struct device *dev;

	*out = NULL;
	if (head->id == 0 || domid >= DOMIDS) {
		(void)close(fd);
		return err_set(
			e, EINVAL,
			"device id %llu of domain %u: the id must not be 0, the domain below %u",
			(unsigned long long)head->id, domid, (unsigned)DOMIDS);
	}
	dev = find(d, head->id) ? NULL : calloc(1, sizeof(*dev));
	if (!dev) {
		(void)close(fd);
		return find(d, head->id)
			       ? err_set(e, EEXIST, "a device with this id exists already")
			       : err_set(e, ENOMEM, "out of memory");
	}
	dev->all = d;
	dev->id = head->id;
	dev->type = head->type;
	dev->domid = (uint16_t)domid;
	dev->fd = fd;
	dev->next = d->first;
	d->first = dev;
	*out = dev;
	return 0;
}

static int map(struct device *dev, int n, uint32_t ref, struct err *e)
{
	dev->page[n] =
		xengnttab_map_grant_ref(dev->all->gnt, dev->domid, ref, PROT_READ | PROT_WRITE);
	return dev->page[n] ? 0 : err_sys(e, errno, "map grant %u of domain %u", ref, dev->domid);
}

static int bind_port(struct device *dev, uint32_t remote, struct err *e)
{
	struct devices *d = dev->all;
	xenevtchn_port_or_error_t port = xenevtchn_bind_interdomain(d->evt, dev->domid, remote);

	if (port < 0)
		return err_sys(e, errno, "bind to port %u of domain %u", remote, dev->domid);
	dev->port = (uint32_t)port;
	if (dev->port >= d->ports) {
		uint32_t room = dev->port + 64;
		struct port_user *grown = realloc(d->by_port, room * sizeof(*grown));

		if (!grown)
			return err_set(e, ENOMEM, "out of memory");
		memset(grown + d->ports, 0, (room - d->ports) * sizeof(*grown));
		d->by_port = grown;
		d->ports = room;
	}
	d->by_port[dev->port].dev = dev;
	return 0;
}

void device_free(struct device *dev)
{
	struct devices *d = dev->all;
	struct device **p = &d->first;

	if (dev->port) {
		if (dev->port < d->ports)
			d->by_port[dev->port].dev = NULL;
		(void)xenevtchn_unbind(d->evt, dev->port);
	}
	netback_fini(&dev->net);
	for (int i = 0; i < 2; i++)
		if (dev->page[i])
			(void)xengnttab_unmap(d->gnt, dev->page[i], 1);
	(void)close(dev->fd);
	if (dev->broken && d->tell) /* the caller can close its file now */
		d->tell(d->arg, BACKEND_BROKEN, dev->id, dev->broken, dev->why);
	if (dev->detached && d->tell)
		d->tell(d->arg, BACKEND_DETACHED, dev->id, 0, "");
	while (*p != dev)
		p = &(*p)->next;
	*p = dev->next;
	free(dev);
}

/* Fills in only what the ring code reads at its start. */
static int check_tap(int fd, struct err *e)
{
	struct ifreq r = {0};
	int header = 0;
	int flags = fcntl(fd, F_GETFL);

	if (ioctl(fd, TUNGETIFF, &r) < 0 || ioctl(fd, TUNGETVNETHDRSZ, &header) < 0)
		return err_set(e, EINVAL, "the file is not a TAP device");
	if ((r.ifr_flags & (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)) !=
	    (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
		return err_set(e, EINVAL, "the TAP needs IFF_NO_PI and IFF_VNET_HDR");
	if (header != 10)
		return err_set(e, EINVAL, "the TAP's header has %d bytes, not 10", header);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_sys(e, errno, "set the TAP non-blocking");
	return 0;
}

int device_attach_vif(struct devices *d, const struct backend_vif *m, int fd, struct err *e)
{
	struct device *dev;
	int rc = new_device(d, &m->head, m->domid, fd, &dev, e);

	if (rc < 0)
		return rc;
	if (m->zero || (m->features & ~NET_FEATURES))
		rc = err_set(e, EINVAL,
			     "interface features 0x%x: unknown to this chaos-backend; restart it "
			     "after an upgrade",
			     m->features);
	if (rc == 0)
		rc = check_tap(fd, e);
	if (rc == 0)
		rc = map(dev, 0, m->tx_ref, e);
	if (rc == 0)
		rc = map(dev, 1, m->rx_ref, e);
	if (rc == 0)
		rc = bind_port(dev, m->remote_port, e);
	if (rc < 0) {
		device_free(dev);
		return rc;
	}
	dev->net.seam = &d->seam;
	dev->net.scratch = d->net_scratch;
	dev->net.domid = dev->domid;
	dev->net.port = dev->port;
	dev->net.tap = fd;
	dev->net.features = m->features;
	netback_init(&dev->net, dev->page[0], dev->page[1]);
	ev_io_init(&dev->tap, device_tap_ready, fd, EV_READ);
	dev->tap.data = dev;
	ev_io_start(d->loop, &dev->tap);
	device_ready(dev); /* requests that the guest has put into the rings before */
	return 0;
}

/* How many sectors there are, and that it is what it should be. */
static int check_disk(const struct backend_vbd *m, int fd, uint64_t *sectors, struct err *e)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;
	off_t bytes;

	if (flags < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "examine the disk's file");
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_set(e, EINVAL, "the disk is neither a regular file nor a block device");
	if (!(m->flags & BLK_READ_ONLY) && (flags & O_ACCMODE) != O_RDWR)
		return err_set(e, EINVAL, "the disk's file is not open for writing");
	bytes = lseek(fd, 0, SEEK_END);
	if (bytes < 0)
		return err_sys(e, errno, "find the end of the disk");
	*sectors = m->sectors ? m->sectors : (uint64_t)bytes / BLK_SECTOR;
	if (*sectors == 0 || *sectors > (uint64_t)bytes / BLK_SECTOR)
		return err_set(e, EINVAL, "%llu sectors on a disk of %llu bytes",
			       (unsigned long long)*sectors, (unsigned long long)bytes);
	return 0;
}

int device_attach_vbd(struct devices *d, const struct backend_vbd *m, int fd, uint64_t *sectors,
		      struct err *e)
{
	struct device *dev;
	int rc = new_device(d, &m->head, m->domid, fd, &dev, e);

	if (rc < 0)
		return rc;
	if (m->flags & ~BLK_FLAGS)
		rc = err_set(e, EINVAL,
			     "disk flags 0x%x: unknown to this chaos-backend; restart it after an "
			     "upgrade",
			     m->flags);
	if (rc == 0)
		rc = check_disk(m, fd, sectors, e);
	if (rc == 0)
		rc = map(dev, 0, m->ring_ref, e);
	if (rc == 0)
		rc = bind_port(dev, m->remote_port, e);
	if (rc < 0) {
		device_free(dev);
		return rc;
	}
	dev->blk.seam = &d->seam;
	dev->blk.domid = dev->domid;
	dev->blk.port = dev->port;
	dev->blk.fd = fd;
	dev->blk.sectors = *sectors;
	dev->blk.flags = m->flags;
	/* direct reads ignore RWF_NOWAIT, so the threads do them */
	dev->blk.no_nowait = (fcntl(fd, F_GETFL) & O_DIRECT) != 0;
	blkback_init(&dev->blk, dev->page[0]);
	if ((m->flags & BLK_AGAIN) && !ring_was_idle(&dev->blk.ring)) {
		device_free(dev);
		return err_set(
			e, EUCLEAN,
			"the last chaos-backend ended while requests of this disk were open");
	}
	device_ready(dev);
	return 0;
}

int device_detach(struct devices *d, uint64_t id)
{
	struct device *dev = find(d, id);

	if (!dev)
		return -ENOENT;
	if (dev->dying) /* its jobs are still running */
		dev->detached = true;
	else
		device_end(dev, 0, NULL);
	return 0;
}
