/* SPDX-License-Identifier: BSD-3-Clause */
/* Configurations of vbds: defaults, copies, checks, and names of virtual disks. */
#include "split-toolstack/engine/config/device_config_ops.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "split-toolstack/engine/config/device_record.h"

static void init(struct device_config *d)
{
	d->u.vbd.fd = -1;
	d->u.vbd.discard = true;
}

static void clear(struct device_config *d)
{
	free(d->u.vbd.path);
	free(d->u.vbd.or_path);
	if (d->u.vbd.fd >= 0)
		(void)close(d->u.vbd.fd);
}

static int copy(struct device_config *to, const struct device_config *from)
{
	const struct vbd_config *v = &from->u.vbd;

	to->u.vbd.fd = -1;
	to->u.vbd.path = v->path ? strdup(v->path) : NULL;
	to->u.vbd.or_path = v->or_path ? strdup(v->or_path) : NULL;
	return (v->path && !to->u.vbd.path) || (v->or_path && !to->u.vbd.or_path) ? -ENOMEM : 0;
}

static int check(const struct device_config *d, struct err *e)
{
	return !d->u.vbd.path && d->u.vbd.fd < 0 ? err_set(e, EINVAL, "disk: has no target") : 0;
}

static int check_beside(const struct device_config *d, const struct device_config *other,
			struct err *e)
{
	const struct vbd_config *v = &d->u.vbd;
	const struct vbd_config *o = &other->u.vbd;
	char name[16];

	vdev_name(d->devid, name);
	if (d->devid == other->devid)
		return err_set(e, EEXIST, "disk: vdev %s is taken; choose another", name);
	if (v->path && o->path && strcmp(v->path, o->path) == 0 && (!v->readonly || !o->readonly))
		return err_set(
			e, EEXIST,
			"disk: %s is given twice; that is possible only if both are read-only",
			v->path);
	return 0;
}

static int check_name(const char *name, struct err *e)
{
	uint32_t vdev;

	if (vdev_parse(name, &vdev) < 0)
		return err_set(e, EINVAL, "\"%s\": not the name of a virtual disk, as xvda", name);
	return 0;
}

static bool is_named(const struct device_config *d, const char *ifname, const char *name)
{
	uint32_t vdev;

	(void)ifname;
	return vdev_parse(name, &vdev) == 0 && vdev == d->devid;
}

/* --- as bytes of a record --- */

#define READONLY (1u << 0)
#define CDROM	 (1u << 1)
#define DISCARD	 (1u << 2)

static void record_put(struct device_record *r, const struct device_config *d)
{
	const struct vbd_config *v = &d->u.vbd;

	r->flags =
		(v->readonly ? READONLY : 0) | (v->cdrom ? CDROM : 0) | (v->discard ? DISCARD : 0);
	r->size = v->sectors;
}

static bool record_get(const struct device_record *r, struct device_config *d)
{
	d->u.vbd.readonly = r->flags & READONLY;
	d->u.vbd.cdrom = r->flags & CDROM;
	d->u.vbd.discard = r->flags & DISCARD;
	d->u.vbd.sectors = r->size;
	return true;
}

static const char *record_path(const struct device_config *d, char *text)
{
	(void)text;
	return d->u.vbd.path;
}

static bool record_set_path(struct device_config *d, const char *text)
{
	d->u.vbd.path = strdup(text);
	return d->u.vbd.path;
}

const struct device_config_ops vbd_config_ops = {.name = "vbd",
						 .word = "disk",
						 .list = "block-list",
						 .most = VM_VBDS_MAX,
						 .rings = 1,
						 .has_file = true,
						 .init = init,
						 .clear = clear,
						 .copy = copy,
						 .check = check,
						 .check_beside = check_beside,
						 .check_name = check_name,
						 .is_named = is_named,
						 .record_put = record_put,
						 .record_get = record_get,
						 .record_path = record_path,
						 .record_set_path = record_set_path};

/* --- numbers of virtual disks: xen-vbd-interface(7) --- */

#define VDEV_EXT  (1u << 28)
#define XVD_MAJOR 202u
#define SD_MAJOR  8u
#define XVD_DISKS 16u /* with four bits of partition; more need the extended form */
#define EXT_DISKS (1u << 20)
#define EXT_PARTS 256u

/* "a" = 0, "z" = 25, "aa" = 26, ...; returns the rest of the text, NULL for no letter. */
static const char *letters(const char *p, uint32_t *disk)
{
	uint32_t n = 0;
	const char *start = p;

	for (; *p >= 'a' && *p <= 'z' && p - start < 4; p++)
		n = n * 26 + (uint32_t)(*p - 'a') + 1;
	if (p == start)
		return NULL;
	*disk = n - 1;
	return p;
}

static int partition(const char *p, uint32_t *part)
{
	char *end = NULL;
	unsigned long n;

	*part = 0;
	if (*p == '\0')
		return 0;
	if (*p < '1' || *p > '9')
		return -EINVAL;
	n = strtoul(p, &end, 10);
	if (*end != '\0' || n >= EXT_PARTS)
		return -EINVAL;
	*part = (uint32_t)n;
	return 0;
}

static int xvd(uint32_t disk, uint32_t part, uint32_t *vdev)
{
	if (disk >= EXT_DISKS || part >= EXT_PARTS)
		return -EINVAL;
	*vdev = disk < XVD_DISKS && part < 16 ? XVD_MAJOR << 8 | disk << 4 | part
					      : VDEV_EXT | disk << 8 | part;
	return 0;
}

static int hd(uint32_t disk, uint32_t part, uint32_t *vdev)
{
	if (disk > 3 || part > 63)
		return -EINVAL;
	*vdev = (disk < 2 ? 3u : 22u) << 8 | (disk & 1) << 6 | part;
	return 0;
}

static int sd(uint32_t disk, uint32_t part, uint32_t *vdev)
{
	if (disk > 15 || part > 15)
		return -EINVAL;
	*vdev = SD_MAJOR << 8 | disk << 4 | part;
	return 0;
}

static int numbered(const char *text, uint32_t *vdev)
{
	char *end = NULL;
	unsigned long n = strtoul(text, &end, 0);

	if (*end != '\0' || n == 0 || n >= VDEV_EXT * 2)
		return -EINVAL;
	*vdev = (uint32_t)n;
	return 0;
}

int vdev_parse(const char *text, uint32_t *vdev)
{
	uint32_t disk = 0;
	uint32_t part;
	const char *rest;

	if (*text >= '0' && *text <= '9')
		return numbered(text, vdev);
	if (*text == 'd' && text[1] >= '0' && text[1] <= '9') {
		char *end = NULL;
		unsigned long n = strtoul(text + 1, &end, 10);

		if (n >= EXT_DISKS || (*end && *end != 'p') ||
		    partition(*end ? end + 1 : end, &part) < 0 || (*end && part == 0))
			return -EINVAL;
		return xvd((uint32_t)n, part, vdev);
	}
	if (strncmp(text, "xvd", 3) == 0)
		rest = letters(text + 3, &disk);
	else if (strncmp(text, "hd", 2) == 0 || strncmp(text, "sd", 2) == 0)
		rest = letters(text + 2, &disk);
	else
		rest = NULL;
	if (!rest || partition(rest, &part) < 0)
		return -EINVAL;
	if (*text == 'x')
		return xvd(disk, part, vdev);
	return *text == 'h' ? hd(disk, part, vdev) : sd(disk, part, vdev);
}

static void name_of(const char *prefix, uint32_t disk, uint32_t part, char out[16])
{
	char letter[8];
	int at = (int)sizeof(letter) - 1;

	letter[at] = '\0';
	for (disk++; disk && at > 0; disk = (disk - 1) / 26)
		letter[--at] = (char)('a' + (disk - 1) % 26);
	if (part)
		(void)snprintf(out, 16, "%s%s%u", prefix, letter + at, part);
	else
		(void)snprintf(out, 16, "%s%s", prefix, letter + at);
}

void vdev_name(uint32_t vdev, char out[16])
{
	if (vdev & VDEV_EXT)
		name_of("xvd", vdev >> 8 & (EXT_DISKS - 1), vdev & 255, out);
	else if (vdev >> 8 == XVD_MAJOR)
		name_of("xvd", vdev >> 4 & 15, vdev & 15, out);
	else if (vdev >> 8 == SD_MAJOR)
		name_of("sd", vdev >> 4 & 15, vdev & 15, out);
	else if (vdev >> 8 == 3 || vdev >> 8 == 22)
		name_of("hd", (vdev >> 8 == 22 ? 2u : 0u) | (vdev >> 6 & 1), vdev & 63, out);
	else
		(void)snprintf(out, 16, "%u", vdev);
}
