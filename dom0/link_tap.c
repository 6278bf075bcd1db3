/* SPDX-License-Identifier: BSD-3-Clause */
/* Making tap interfaces. */
#include "dom0/link.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <linux/virtio_net.h>

int link_tap(const char *name, bool vnet_hdr, int *out, struct err *e)
{
	struct ifreq r = {.ifr_flags =
				  (short)(IFF_TAP | IFF_NO_PI | (vnet_hdr ? IFF_VNET_HDR : 0))};
	int size = sizeof(struct virtio_net_hdr);
	int fd;
	int rc = 0;

	*out = -1;
	if (!link_name_valid(name))
		return err_set(e, EINVAL, "\"%.32s\" is not a name for an interface", name);
	r.ifr_flags = (short)((unsigned short)r.ifr_flags | IFF_TUN_EXCL);
	memcpy(r.ifr_name, name, strlen(name));
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return err_sys(e, errno, "tap \"%s\": open /dev/net/tun", name);
	if (ioctl(fd, TUNSETIFF, &r) < 0)
		rc = errno == EBUSY ? err_set(e, EEXIST, "the interface name \"%s\" is taken", name)
				    : err_sys(e, errno, "make the tap \"%s\"", name);
	if (rc == 0 && vnet_hdr &&
	    (ioctl(fd, TUNSETVNETHDRSZ, &size) < 0 ||
	     ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) < 0))
		rc = err_sys(e, errno, "tap \"%s\": set its offloads", name);
	if (rc < 0) {
		(void)close(fd);
		return rc;
	}
	*out = fd;
	return 0;
}
