/* SPDX-License-Identifier: BSD-3-Clause */
/* From a bundle to a VM. */
#include "oci/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "oci/image.h"
#include "oci/network.h"
#include "oci/plan.h"
#include "oci/pod.h"

#define SET_MAX (sizeof(((struct plan *)NULL)->set) / sizeof(char *))

int plan_add(struct plan *p, struct err *e, const char *fmt, ...)
{
	va_list ap;
	size_t n = 0;
	int rc;

	while (n < SET_MAX && p->set[n])
		n++;
	if (n + 1 >= SET_MAX)
		return err_set(e, E2BIG, "the configuration of the VM has more than %zu keys",
			       SET_MAX - 1);
	va_start(ap, fmt);
	rc = vasprintf(&p->set[n], fmt, ap);
	va_end(ap);
	if (rc >= 0)
		return 0;
	p->set[n] = NULL;
	return err_set(e, ENOMEM, "out of memory");
}

/* Inside the image, whose links are followed within it. An image's file may be a FIFO, which must
 * not hold us. */
static int open_inside(const char *rootfs, const char *path)
{
	struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
			       .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	int dir = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	int rc = 0;
	int fd;

	if (dir < 0)
		return -errno;
	fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
	if (fd < 0 || fstat(fd, &st) < 0)
		rc = -errno;
	else if (!S_ISREG(st.st_mode))
		rc = -EINVAL;
	(void)close(dir);
	if (rc < 0 && fd >= 0)
		(void)close(fd);
	return rc < 0 ? rc : fd;
}

/* *path NULL: there is none in the image. */
static int open_kernel(struct plan *p, const struct bundle *b, const char **path, struct err *e)
{
	const char *named = bundle_annotation(b, OCI_KERNEL_ANNOTATION);

	*path = named ? named : OCI_KERNEL_PATH;
	p->kernel_fd = open_inside(b->rootfs, *path);
	if (p->kernel_fd >= 0)
		return 0;
	if (p->kernel_fd == -ENOENT && !named) {
		*path = NULL;
		return 0;
	}
	if (p->kernel_fd == -EINVAL)
		return err_set(e, EINVAL, "kernel \"%s\" of the image is not a regular file",
			       *path);
	return err_sys(e, -p->kernel_fd, "kernel \"%s\" of the image", *path);
}

/* --- unikernels --- */

/* The command line: args with blanks between them, without a first one that names the kernel. */
static int add_command(struct plan *p, const struct bundle *b, const char *kernel, struct err *e)
{
	const json_t *args = bundle_get(b, "process.args");
	const json_t *v;
	char *text = NULL;
	size_t len;
	size_t i;
	FILE *f = open_memstream(&text, &len);
	int rc;

	if (!f)
		return err_set(e, ENOMEM, "out of memory");
	kernel += kernel[0] == '/';
	json_array_foreach(args, i, v)
	{
		const char *word = json_string_value(v);

		if (i == 0 && strcmp(word + (word[0] == '/'), kernel) == 0)
			continue;
		(void)fprintf(f, "%s%s", ftell(f) > 0 ? " " : "", word);
	}
	if (fclose(f) != 0)
		return err_set(e, ENOMEM, "out of memory");
	rc = plan_add(p, e, "cmdline=%s", text);
	free(text);
	return rc;
}

/* Memory: the annotation, else the limit of the engine, else 4 MiB. */
static int add_memory(struct plan *p, const struct bundle *b, struct err *e)
{
	const char *text = bundle_annotation(b, OCI_MEMORY_ANNOTATION);
	int64_t limit = bundle_number(b, "linux.resources.memory.limit", 0);

	if (text)
		return plan_add(p, e, "memory=%s", text);
	if (limit > 0)
		return plan_add(p, e, "memory=%jdK", (intmax_t)(limit >> 10));
	return plan_add(p, e, "memory=4");
}

unsigned int plan_weight(int64_t shares)
{
	return shares > 65535 * 4 ? 65535 : (unsigned int)((shares + 3) / 4);
}

int64_t plan_percent(int64_t quota, int64_t period)
{
	return (quota * 100 + period - 1) / period;
}

/* CPU time in `quota` of each `period` becomes vCPUs and a cap; shares (1024 is the usual) become
 * a weight (256 is the usual). */
static int add_cpu(struct plan *p, const struct bundle *b, struct err *e)
{
	int64_t quota = bundle_number(b, "linux.resources.cpu.quota", 0);
	int64_t period = bundle_number(b, "linux.resources.cpu.period", 100000);
	int64_t shares = bundle_number(b, "linux.resources.cpu.shares", 0);
	const char *cpus = bundle_text(b, "linux.resources.cpu.cpus");
	int rc = 0;

	if (quota > 0 && period > 0 && quota <= INT64_MAX / 100) {
		int64_t percent = plan_percent(quota, period);

		rc = plan_add(p, e, "vcpus=%jd", (intmax_t)((percent + 99) / 100));
		if (rc == 0)
			rc = plan_add(p, e, "cap=%jd", (intmax_t)percent);
	}
	if (rc == 0 && shares > 0)
		rc = plan_add(p, e, "cpu_weight=%u", plan_weight(shares));
	if (rc == 0 && cpus && *cpus)
		rc = plan_add(p, e, "cpus=%s", cpus);
	return rc;
}

static int plan_unikernel(struct plan *p, const struct bundle *b, const char *kernel, struct err *e)
{
	int rc = plan_add(p, e, "kernel=%s/%s", b->rootfs, kernel + (kernel[0] == '/'));

	if (rc == 0)
		rc = add_command(p, b, kernel, e);
	return rc < 0 ? rc : add_memory(p, b, e);
}

/* In the VM of its pod: only the root is its own. */
static int plan_member(struct plan *p, const struct bundle *b, const char *linux_kernel,
		       const struct image_cache *cache, const char *kernel, struct err *e)
{
	if (kernel)
		return err_set(e, ENOTSUP,
			       "the image is a unikernel, which cannot be a container in the VM of "
			       "a pod");
	return plan_root(p, b, linux_kernel, cache, e);
}

int plan_make(struct plan *p, const struct bundle *b, const char *linux_kernel,
	      const struct image_cache *cache, const char *from, const char *name, const char *uuid,
	      struct err *e)
{
	const char *type = bundle_annotation(b, OCI_TYPE_ANNOTATION);
	enum pod_role role = pod_role(b);
	const char *kernel = NULL;
	int rc = 0;

	memset(p, 0, sizeof(*p));
	p->kernel_fd = p->initrd_fd = p->image.fd = -1;
	if (role != POD_SANDBOX)
		rc = open_kernel(p, b, &kernel, e);
	if (rc == 0 && role == POD_MEMBER)
		return plan_member(p, b, linux_kernel, cache, kernel, e);
	if (rc == 0)
		rc = kernel ? plan_unikernel(p, b, kernel, e)
			    : plan_linux(p, b, linux_kernel, cache, from, e);
	if (rc == 0)
		rc = plan_add(p, e, "name=%s", name);
	if (rc == 0)
		rc = plan_add(p, e, "uuid=%s", uuid);
	if (rc == 0)
		rc = role == POD_SANDBOX ? 0 : add_cpu(p, b, e); /* those are of its process */
	if (rc == 0 && (type || !kernel))
		rc = plan_add(p, e, "type=%s", type ? type : "pvh");
	if (rc == 0)
		rc = plan_add(p, e, "on_reboot=destroy");
	return rc;
}

/* noxs guests find addresses in their device page. */
static void put_addresses(FILE *f, const struct network_interface *i)
{
	const char *both = i->ip[0][0] && i->ip[1][0] ? " " : "";

	if (i->ip[0][0] || i->ip[1][0])
		(void)fprintf(f, ",ip=%s%s%s", i->ip[0], both, i->ip[1]);
	if (i->gateway[0][0] && i->ip[0][0])
		(void)fprintf(f, ",gateway=%s", i->gateway[0]);
	if (i->gateway[1][0] && i->ip[1][0])
		(void)fprintf(f, ",gateway6=%s", i->gateway[1]);
}

int plan_add_network(struct plan *p, const struct network *n, int pid, struct err *e)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < n->n; i++) {
		char *addresses = NULL;
		size_t len;
		FILE *f = open_memstream(&addresses, &len);

		if (!f)
			return err_set(e, ENOMEM, "out of memory");
		if (p->initrd_fd < 0)
			put_addresses(f, &n->interface[i]);
		rc = fclose(f) == 0 ? plan_add(p, e, "vif=netns=/proc/%d/ns/net,peer=%s%s", pid,
					       n->interface[i].name, addresses)
				    : err_set(e, ENOMEM, "out of memory");
		free(addresses);
	}
	return rc;
}

void plan_free(struct plan *p)
{
	for (size_t i = 0; i < SET_MAX; i++)
		free(p->set[i]);
	if (p->kernel_fd >= 0)
		(void)close(p->kernel_fd);
	if (p->initrd_fd >= 0)
		(void)close(p->initrd_fd);
	image_free(&p->image);
	memset(p, 0, sizeof(*p));
	p->kernel_fd = p->initrd_fd = p->image.fd = -1;
}
