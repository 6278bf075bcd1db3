/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The root of a container as an image on a disk. In the initramfs there are then: /image, empty;
 * /layer0 and so on, which lie over the image, the uppermost first; /root, with what is bound into
 * the root, which lies over those; /opaque, if folders of the layers hide those below: their names,
 * each with a zero byte.
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

#define DISK	   "/dev/xvda"
#define IMAGE	   "/image"
#define WRITABLE   "/writable"
#define WAIT_MS	   30000 /* for the disk */
#define LAYERS_MAX 16

static const char *mount_disk(void)
{
	struct timespec pause = {.tv_nsec = 1000000};

	for (int i = 0; i < WAIT_MS && access(DISK, F_OK) < 0; i++)
		(void)nanosleep(&pause, NULL);
	if (mount(DISK, IMAGE, "erofs", MS_RDONLY, NULL) < 0)
		return say("mount the image " DISK " (erofs): %s", strerror(errno));
	return NULL;
}

static const char *mark_opaque(void)
{
	const char *failed = NULL;
	char *name = NULL;
	size_t room = 0;
	FILE *f = fopen("/opaque", "re");

	while (f && !failed && getdelim(&name, &room, '\0', f) > 0)
		if (lsetxattr(name, "trusted.overlay.opaque", "y", 1, 0) < 0)
			failed = say("opaque folder %.100s: %s", name, strerror(errno));
	free(name);
	if (f)
		(void)fclose(f);
	return failed;
}

/* The folder that a writable root begins with; it is the root that the container sees. */
static const char *make_writable(void)
{
	struct stat st;

	(void)mkdir(WRITABLE, 0700);
	if (mount("tmpfs", WRITABLE, "tmpfs", 0, "size=50%,mode=0700") < 0 ||
	    mkdir(WRITABLE "/upper", 0755) < 0 || mkdir(WRITABLE "/work", 0700) < 0)
		return say("the root's writable layer: %s", strerror(errno));
	if (stat(ROOT, &st) < 0 || chown(WRITABLE "/upper", st.st_uid, st.st_gid) < 0 ||
	    chmod(WRITABLE "/upper", st.st_mode & 07777) < 0)
		return say("the root's folder: %s", strerror(errno));
	return NULL;
}

const char *image_mount(void)
{
	char options[512] = "lowerdir=" ROOT;
	size_t n = strlen(options);
	const char *failed;

	if (access(IMAGE, F_OK) < 0)
		return NULL;
	failed = mount_disk();
	if (!failed)
		failed = mark_opaque();
	if (!failed)
		failed = make_writable();
	if (failed)
		return failed;
	for (int i = 0; i < LAYERS_MAX; i++) {
		char layer[16];

		(void)snprintf(layer, sizeof(layer), "/layer%d", i);
		if (access(layer, F_OK) < 0)
			break;
		n += (size_t)snprintf(options + n, sizeof(options) - n, ":%s", layer);
	}
	(void)snprintf(options + n, sizeof(options) - n,
		       ":" IMAGE ",upperdir=" WRITABLE "/upper,workdir=" WRITABLE "/work");
	if (mount("overlay", ROOT, "overlay", 0, options) < 0)
		return say("mount the root (overlay): %s", strerror(errno));
	return NULL;
}
