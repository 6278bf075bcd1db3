/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The root of a container as an image on a disk. In its folder, or the initramfs, there are then:
 * image, empty, if the disk was not named; layer0 and so on, which lie over the image, the
 * uppermost first; root, with what is bound into the root, which lies over those; opaque, if
 * folders of the layers hide those below: their names, each with a zero byte.
 */
#include "guests/linux/agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define DISK	   "xvda" /* of the initramfs's image */
#define WAIT_MS	   30000  /* for the disk */
#define LAYERS_MAX 16

static const char *mount_disk(const struct container *c)
{
	struct timespec pause = {.tv_nsec = 1000000};
	char disk[48];

	(void)snprintf(disk, sizeof(disk), "/dev/%s", c->image[0] ? c->image : DISK);
	(void)mkdir(container_path(c, "image"), 0755);
	for (int i = 0; i < WAIT_MS; i++) {
		if (mount(disk, container_path(c, "image"), "erofs", MS_RDONLY, NULL) == 0)
			return NULL;
		/* the name is there before the disk is */
		if (errno != ENOENT && errno != ENXIO)
			break;
		(void)nanosleep(&pause, NULL);
	}
	return say("mount the image %s (erofs): %s", disk, strerror(errno));
}

static const char *mark_opaque(const struct container *c)
{
	const char *failed = NULL;
	char *name = NULL;
	size_t room = 0;
	FILE *f = fopen(container_path(c, "opaque"), "re");

	while (f && !failed && getdelim(&name, &room, '\0', f) > 0)
		if (lsetxattr(container_path(c, name), "trusted.overlay.opaque", "y", 1, 0) < 0)
			failed = say("opaque folder %.100s: %s", name, strerror(errno));
	free(name);
	if (f)
		(void)fclose(f);
	return failed;
}

/* The folder that a writable root begins with; it is the root that the container sees. */
static const char *make_writable(const struct container *c)
{
	const char *path = container_path(c, "writable");
	struct stat st;

	(void)mkdir(path, 0700);
	if (mount("tmpfs", path, "tmpfs", 0, "size=50%,mode=0700") < 0 ||
	    mkdir(container_path(c, "writable/upper"), 0755) < 0 ||
	    mkdir(container_path(c, "writable/work"), 0700) < 0)
		return say("the root's writable layer: %s", strerror(errno));
	if (stat(container_path(c, "root"), &st) < 0)
		return say("the root's folder: %s", strerror(errno));
	path = container_path(c, "writable/upper");
	if (chown(path, st.st_uid, st.st_gid) < 0 || chmod(path, st.st_mode & 07777) < 0)
		return say("the root's folder: %s", strerror(errno));
	return NULL;
}

const char *image_mount(struct container *c)
{
	char options[2600];
	const char *failed;
	size_t n;

	if (!c->image[0] && access(container_path(c, "image"), F_OK) < 0)
		return NULL;
	failed = mount_disk(c);
	if (!failed)
		failed = mark_opaque(c);
	if (!failed)
		failed = make_writable(c);
	if (failed)
		return failed;
	n = (size_t)snprintf(options, sizeof(options), "lowerdir=%s/root", c->folder);
	for (int i = 0; i < LAYERS_MAX; i++) {
		char layer[16];

		(void)snprintf(layer, sizeof(layer), "layer%d", i);
		if (access(container_path(c, layer), F_OK) < 0)
			break;
		n += (size_t)snprintf(options + n, sizeof(options) - n, ":%s/%s", c->folder, layer);
	}
	(void)snprintf(options + n, sizeof(options) - n,
		       ":%s/image,upperdir=%s/writable/upper,workdir=%s/writable/work", c->folder,
		       c->folder, c->folder);
	if (mount("overlay", container_path(c, "root"), "overlay", 0, options) < 0)
		return say("mount the root (overlay): %s", strerror(errno));
	return NULL;
}
