/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/gntdev.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEVICE "/dev/xen/gntdev"
#define PAGE   4096u

/* Linux include/uapi/xen/gntdev.h */
struct grant_ref {
	uint32_t domid, ref;
};
struct map_grants {
	uint32_t count, pad;
	uint64_t index; /* out */
	struct grant_ref refs[GNTDEV_PAGES];
};
_Static_assert(offsetof(struct map_grants, refs) == 16, "the layout of gntdev's request");
#define MAP_GRANTS _IOC(_IOC_NONE, 'G', 0, 24)

int gntdev_map(uint32_t domid, const uint32_t *refs, uint32_t n, void **out)
{
	struct map_grants m = {.count = n};
	int rc = 0;
	int fd;

	if (n == 0 || n > GNTDEV_PAGES)
		return -EINVAL;
	for (uint32_t i = 0; i < n; i++)
		m.refs[i] = (struct grant_ref){domid, refs[i]};
	fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, MAP_GRANTS, &m) < 0)
		rc = -errno;
	if (rc == 0)
		*out = mmap(NULL, (size_t)n * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			    (off_t)m.index);
	if (rc == 0 && *out == MAP_FAILED)
		rc = -errno;
	(void)close(fd); /* the mapping keeps what it needs */
	return rc;
}

void gntdev_unmap(void *pages, uint32_t n)
{
	if (pages)
		(void)munmap(pages, (size_t)n * PAGE);
}
