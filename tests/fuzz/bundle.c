/* SPDX-License-Identifier: BSD-3-Clause */
/* config.json of a bundle, and the VM that is made of it. */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oci/bundle.h"
#include "oci/place.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/chaos-fuzz-bundle-XXXXXX";
static char file[64];

static void clean_up(void)
{
	char path[64];

	(void)unlink(file);
	(void)snprintf(path, sizeof(path), "%s/rootfs/kernel", folder);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/rootfs", folder);
	(void)rmdir(path);
	(void)rmdir(folder);
}

static void make_folder(void)
{
	char path[64];
	int fd;

	if (!mkdtemp(folder))
		abort();
	(void)snprintf(path, sizeof(path), "%s/rootfs", folder);
	if (mkdir(path, 0700) < 0)
		abort();
	(void)snprintf(path, sizeof(path), "%s/rootfs/kernel", folder);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	if (fd < 0)
		abort();
	(void)close(fd);
	(void)snprintf(file, sizeof(file), "%s/config.json", folder);
	(void)atexit(clean_up);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bundle b;
	struct plan p;
	const char *named;
	int fd;

	if (!file[0])
		make_folder();
	fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	(void)close(fd);
	if (bundle_read(&b, folder, NULL) == 0) {
		named = bundle_text(&b, "linux.cgroupsPath");
		if (named) {
			char *path = place_cgroup(named, NULL);

			if (path &&
			    (strstr(path, "/../") || strncmp(path, "/sys/fs/cgroup/", 15) != 0))
				abort();
			free(path);
		}
		(void)plan_make(&p, &b, "/nowhere/vmlinuz", NULL, NULL, "oci-x", "uuid", NULL);
		plan_free(&p);
	}
	bundle_free(&b);
	return 0;
}
