/* SPDX-License-Identifier: BSD-3-Clause */
/* From a bundle to a VM of Linux: booted for it, or taken from those that have booted. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "oci/ahead.h"
#include "oci/image.h"
#include "oci/initrd.h"
#include "oci/layers.h"
#include "oci/plan.h"
#include "oci/pod.h"

#define AGENT	    "/usr/lib/chaos/linux/agent"
#define LINUX_LEAST 64
#define POD_MIB	    256

static int open_linux(struct plan *p, const char *path, struct err *e)
{
	p->kernel_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (p->kernel_fd >= 0)
		return 0;
	if (errno != ENOENT)
		return err_sys(e, errno, "Linux kernel \"%s\"", path);
	return err_set(
		e, ENOENT,
		"the image is no unikernel (it has no /%s, and there is no annotation %s), and "
		"there is no Linux kernel %s: install chaos-kernel, or name a kernel with --kernel",
		OCI_KERNEL_PATH, OCI_KERNEL_ANNOTATION, path);
}

/* The initramfs is in memory twice, packed and unpacked, until Linux has done that. */
static int add_linux_memory(struct plan *p, const struct bundle *b, uint64_t initrd, struct err *e)
{
	const char *text = bundle_annotation(b, OCI_MEMORY_ANNOTATION);
	int64_t limit = bundle_number(b, "linux.resources.memory.limit", 0);
	uint64_t usual = pod_role(b) == POD_SANDBOX ? POD_MIB : PLAN_LINUX_MIB;
	uint64_t mib = limit > 0 ? (uint64_t)limit >> 20 : usual;

	if (text)
		return plan_add(p, e, "memory=%s", text);
	if (mib < LINUX_LEAST + (initrd >> 19))
		mib = LINUX_LEAST + (initrd >> 19);
	return plan_add(p, e, "memory=%ju", (uintmax_t)mib);
}

/* A kernel that has its drivers in a folder has these two there, too; one without such a folder has
 * all of them inside. */
static bool has_drivers(const char *modules)
{
	int fd = open(modules, O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool has = fd < 0 || (faccessat(fd, "erofs.ko", F_OK, 0) == 0 &&
			      faccessat(fd, "overlay.ko", F_OK, 0) == 0);

	if (fd >= 0)
		(void)close(fd);
	return has;
}

/* Whether the root is an image, which becomes a disk. If one was due, p->no_image says why not. */
static bool find_image(struct plan *p, const struct bundle *b, const struct image_cache *cache,
		       const char *modules, uint64_t least, struct layers *l)
{
	int rc;

	memset(l, 0, sizeof(*l));
	if (!cache || cache->mib == 0)
		return false;
	rc = layers_find(l, b->rootfs, least, &p->no_image);
	if (rc > 0 && !has_drivers(modules))
		rc = err_set(&p->no_image, ENOTSUP, "\"%s\" has no erofs.ko or no overlay.ko",
			     modules);
	if (rc > 0)
		rc = image_get(cache, l, b->rootfs, &p->image, &p->no_image);
	return rc == 0 && p->image.path;
}

/* The container's part alone, if it is small enough for the agent's channel. */
static void make_part(struct plan *p, const struct bundle *b, const struct layers *l,
		      const char *from, uint64_t *bytes)
{
	int fd = initrd_make_part(b, l, bytes, NULL);

	if (fd < 0)
		return; /* the same will be said of the whole */
	if (*bytes > AHEAD_BYTES || strlen(from) >= sizeof(p->from)) {
		(void)close(fd);
		return;
	}
	(void)strcpy(p->from, from);
	p->initrd_fd = fd;
}

/* Modules are in the folder "modules" beside the kernel, if it has any. */
static char *modules_of(const char *kernel)
{
	const char *slash = strrchr(kernel, '/');
	char *modules = NULL;

	if (asprintf(&modules, "%.*smodules", slash ? (int)(slash + 1 - kernel) : 0, kernel) < 0)
		return NULL;
	return modules;
}

static int make_initrd(struct plan *p, const struct bundle *b, const char *kernel,
		       const struct image_cache *cache, const char *from, uint64_t *bytes,
		       struct err *e)
{
	char *modules = modules_of(kernel);
	struct layers l;
	bool image;

	if (!modules)
		return err_set(e, ENOMEM, "out of memory");
	if (pod_role(b) == POD_SANDBOX) {
		p->initrd_fd = initrd_make(NULL, AGENT, modules, NULL, bytes, e);
		free(modules);
		return p->initrd_fd < 0 ? p->initrd_fd : 0;
	}
	image = find_image(p, b, cache, modules, from ? AHEAD_LEAST : LAYERS_LEAST, &l);
	if (from)
		make_part(p, b, image ? &l : NULL, from, bytes);
	if (pod_role(b) == POD_MEMBER)
		p->initrd_fd = initrd_make_part(b, image ? &l : NULL, bytes, e);
	else if (!p->from[0])
		p->initrd_fd = initrd_make(b, AGENT, modules, image ? &l : NULL, bytes, e);
	layers_free(&l);
	free(modules);
	if (p->initrd_fd == -EFBIG && p->no_image.code) {
		struct err large = *e;

		return err_set(e, EFBIG, "%s, and cannot be a disk: %s", err_msg(&large),
			       err_msg(&p->no_image));
	}
	if (p->initrd_fd < 0 || !image || pod_role(b) == POD_MEMBER)
		return p->initrd_fd < 0 ? p->initrd_fd : 0;
	return plan_add(p, e, "disk=format=raw,vdev=xvda,access=ro,target=%s", p->image.path);
}

int plan_root(struct plan *p, const struct bundle *b, const char *kernel,
	      const struct image_cache *cache, struct err *e)
{
	uint64_t bytes = 0;

	return make_initrd(p, b, kernel, cache, NULL, &bytes, e);
}

static int add_boot(struct plan *p, const char *kernel, struct err *e)
{
	int rc = plan_add(p, e, "kernel=%s", kernel);

	if (rc == 0)
		rc = plan_add(p, e, "ramdisk=%s", AGENT);
	if (rc == 0)
		rc = plan_add(p, e, "cmdline=console=hvc0 quiet panic=-1");
	return rc < 0 ? rc : plan_add(p, e, "agent=1");
}

int plan_linux(struct plan *p, const struct bundle *b, const char *kernel,
	       const struct image_cache *cache, const char *from, struct err *e)
{
	uint64_t initrd = 0;
	int rc = open_linux(p, kernel, e);

	if (rc == 0)
		rc = make_initrd(p, b, kernel, cache, from, &initrd, e);
	if (rc == 0)
		rc = add_boot(p, kernel, e);
	return rc < 0 ? rc : add_linux_memory(p, b, initrd, e);
}

int plan_boot(struct plan *p, const char *linux_kernel, struct err *e)
{
	char *modules = modules_of(linux_kernel);
	int fd;

	if (!modules)
		return err_set(e, ENOMEM, "out of memory");
	fd = initrd_join(AGENT, modules, p->initrd_fd, e);
	free(modules);
	if (fd < 0)
		return fd;
	if (p->initrd_fd >= 0)
		(void)close(p->initrd_fd);
	p->initrd_fd = fd;
	p->from[0] = '\0';
	return 0;
}

int plan_empty_linux(struct plan *p, const char *kernel, struct err *e)
{
	int rc;

	memset(p, 0, sizeof(*p));
	p->kernel_fd = p->initrd_fd = p->image.fd = -1;
	rc = open_linux(p, kernel, e);
	if (rc == 0)
		rc = plan_boot(p, kernel, e);
	return rc < 0 ? rc : add_boot(p, kernel, e);
}
