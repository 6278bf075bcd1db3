/* SPDX-License-Identifier: BSD-3-Clause */
/* cgroup2 folders, network and PID namespaces, capabilities, the file of the pid. */
#include "oci/place.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CGROUPS "/sys/fs/cgroup"

/* --- cgroups --- */

/* "a-b.slice" lies in "a.slice": the folders of it, each with "/" before it. */
static int slice_path(FILE *f, const char *slice)
{
	size_t len = strlen(slice);

	if (len == 0 || strcmp(slice, "-.slice") == 0)
		return 0;
	if (len < 7 || strcmp(slice + len - 6, ".slice") != 0)
		return -EINVAL;
	for (size_t i = 1; i < len - 6; i++)
		if (slice[i] == '-')
			(void)fprintf(f, "/%.*s.slice", (int)i, slice);
	(void)fprintf(f, "/%s", slice);
	return 0;
}

/* "slice:prefix:name", as systemd would name it. */
static int scope_path(FILE *f, const char *text)
{
	char *copy = strdup(text);
	char *rest = copy;
	char *slice = strsep(&rest, ":");
	char *prefix = strsep(&rest, ":");
	int rc = -EINVAL;

	if (copy && rest && !strchr(rest, ':')) {
		rc = slice_path(f, *slice ? slice : "system.slice");
		(void)fprintf(f, "/%s%s%s.scope", prefix, *prefix ? "-" : "", rest);
	}
	free(copy);
	return rc;
}

char *place_cgroup(const char *named, struct err *e)
{
	char *path = NULL;
	size_t len;
	FILE *f = open_memstream(&path, &len);
	int rc = 0;

	if (!f) {
		(void)err_set(e, ENOMEM, "out of memory");
		return NULL;
	}
	(void)fprintf(f, CGROUPS);
	if (strchr(named, ':') && !strchr(named, '/'))
		rc = scope_path(f, named);
	else
		(void)fprintf(f, "%s%s", named[0] == '/' ? "" : "/", named);
	if (fclose(f) != 0)
		rc = -ENOMEM;
	if (rc == 0 && bundle_path_stays(path))
		return path;
	(void)err_set(e, rc == -ENOMEM ? ENOMEM : EINVAL,
		      "config.json: linux.cgroupsPath \"%s\": not the path of a cgroup", named);
	free(path);
	return NULL;
}

static int make_folders(char *path, struct err *e)
{
	for (char *p = path + strlen(CGROUPS) + 1;; p++) {
		char before = *p;

		if (before && before != '/')
			continue;
		*p = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return err_sys(e, errno, "make cgroup %s", path);
		*p = before;
		if (!before)
			return 0;
	}
}

int place_make_cgroup(const struct bundle *b, struct container *c, struct err *e)
{
	const char *named = bundle_text(b, "linux.cgroupsPath");
	struct statfs fs;
	int rc;

	if (!named || !*named || statfs(CGROUPS, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC)
		return 0;
	c->cgroup = place_cgroup(named, e);
	if (!c->cgroup)
		return -EINVAL;
	rc = make_folders(c->cgroup, e);
	if (rc < 0) {
		free(c->cgroup);
		c->cgroup = NULL;
	}
	return rc;
}

void place_remove_cgroup(const struct container *c)
{
	if (c->cgroup)
		(void)rmdir(c->cgroup);
}

static int join_cgroup(const char *folder, struct err *e)
{
	char *path = NULL;
	int fd = -1;
	int rc = 0;

	if (asprintf(&path, "%s/cgroup.procs", folder) < 0)
		return err_set(e, ENOMEM, "out of memory");
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		rc = err_sys(e, errno, "join the cgroup: write %s", path);
	if (fd >= 0)
		(void)close(fd);
	free(path);
	return rc;
}

/* --- namespaces --- */

static int raise_loopback(struct err *e)
{
	struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc = 0;

	if (s < 0 || ioctl(s, SIOCSIFFLAGS, &r) < 0)
		rc = err_sys(e, errno, "set up the loopback interface of the container");
	if (s >= 0)
		(void)close(s);
	return rc;
}

static int enter_network(const char *path, struct err *e)
{
	int fd;
	int rc = 0;

	if (!path) {
		if (unshare(CLONE_NEWNET) < 0)
			return err_sys(e, errno, "make a network namespace");
		return raise_loopback(e);
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		rc = err_sys(e, errno, "enter network namespace %s", path);
	if (fd >= 0)
		(void)close(fd);
	return rc;
}

static int enter_namespaces(const struct bundle *b, const struct container *c, struct err *e)
{
	const json_t *list = bundle_get(b, "linux.namespaces");
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
	{
		const char *type = json_string_value(json_object_get(v, "type"));
		const char *path = json_string_value(json_object_get(v, "path"));
		int rc = 0;

		if (!type)
			return err_set(e, EINVAL, "config.json: linux.namespaces[%zu] has no type",
				       i);
		/* The others are the VM's own, whatever is said; in a pod its containers share
		 * them. */
		if (strcmp(type, "network") == 0)
			rc = enter_network(path, e);
		else if (strcmp(type, "pid") == 0 && path && !c->pod)
			rc = err_set(e, ENOTSUP,
				     "config.json: linux.namespaces: a VM cannot share the PID "
				     "namespace %s",
				     path);
		if (rc < 0)
			return rc;
	}
	return 0;
}

uint64_t place_network(void)
{
	struct stat st;

	return stat("/proc/self/ns/net", &st) == 0 ? st.st_ino : 0;
}

int place_enter(const struct bundle *b, const struct container *c, struct err *e)
{
	int rc = c->cgroup ? join_cgroup(c->cgroup, e) : 0;

	if (rc == 0)
		rc = enter_namespaces(b, c, e);
	if (rc == 0 && unshare(CLONE_NEWPID) < 0)
		rc = err_sys(e, errno, "make a PID namespace");
	return rc;
}

int place_drop_rights(struct err *e)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];

	memset(none, 0, sizeof(none));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_capset, &head, none) < 0)
		return err_sys(e, errno, "drop all capabilities");
	return 0;
}

/* --- what the engine is told --- */

int place_write_pid(const char *path, pid_t pid, struct err *e)
{
	char *temporary = NULL;
	FILE *f;
	int rc = 0;

	if (!path)
		return 0;
	if (asprintf(&temporary, "%s.new", path) < 0)
		return err_set(e, ENOMEM, "out of memory");
	f = fopen(temporary, "we");
	if (!f || fprintf(f, "%d", (int)pid) < 0)
		rc = err_sys(e, errno, "--pid-file \"%s\"", path);
	if (f && fclose(f) != 0 && rc == 0)
		rc = err_sys(e, errno, "--pid-file \"%s\"", path);
	if (rc == 0 && rename(temporary, path) < 0)
		rc = err_sys(e, errno, "--pid-file \"%s\"", path);
	if (rc < 0 && f)
		(void)unlink(temporary);
	free(temporary);
	return rc;
}
