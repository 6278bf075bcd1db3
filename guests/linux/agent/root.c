/* SPDX-License-Identifier: BSD-3-Clause */
/* The container's root: mounts, devices, host name. */
#include "guests/linux/agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of <linux/mount.h>, which musl has not. */
#define TREE_CLONE 1u
#define TREE_EMPTY 4u

#define VOLUMES "/v"

static void put_sysctl(const char *text)
{
	char path[256];
	const char *value = strchr(text, '=');
	int n = value ? snprintf(path, sizeof(path), "/proc/sys/%.*s", (int)(value - text), text)
		      : -1;
	int fd;

	if (n < 0 || (size_t)n >= sizeof(path))
		return;
	for (char *p = path + 10; *p; p++)
		if (*p == '.')
			*p = '/';
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, value + 1, strlen(value + 1)) >= 0)
		(void)close(fd);
}

/* Of <linux/random.h>, which musl has not. */
#define ADD_ENTROPY 0x40085203ul
#define RESEED	    0x5207ul
#define SEED_BYTES  32

/* A copy of a VM has random numbers of its own from here on. */
static bool put_seed(const char *text)
{
	struct {
		int bits, bytes;
		uint8_t seed[SEED_BYTES];
	} add = {.bits = 8 * SEED_BYTES, .bytes = SEED_BYTES};
	bool ok = strlen(text) == sizeof(add.seed) * 2;
	int fd;

	for (int i = 0; ok && i < SEED_BYTES; i++) {
		unsigned int byte;

		ok = sscanf(text + 2 * (size_t)i, "%2x", &byte) == 1;
		add.seed[i] = (uint8_t)byte;
	}
	fd = ok ? open("/dev/urandom", O_WRONLY | O_CLOEXEC) : -1;
	ok = fd >= 0 && ioctl(fd, (int)ADD_ENTROPY, &add) == 0 && ioctl(fd, (int)RESEED, NULL) == 0;
	if (fd >= 0)
		(void)close(fd);
	return ok;
}

bool root_item(struct container *c, char key, const char *text)
{
	if (key == LINK_K_HOSTNAME)
		(void)sethostname(text, strlen(text));
	else if (key == LINK_K_READONLY)
		c->readonly = true;
	else if (key == LINK_K_PIDS)
		c->shares_pids = true;
	else if (key == LINK_K_SYSCTL)
		put_sysctl(text);
	else if (key == LINK_K_MOUNT && c->n < MOUNTS_MAX && (c->mount[c->n] = strdup(text)))
		c->n++;
	else if (key == LINK_K_IMAGE && strlen(text) < sizeof(c->image) && !strchr(text, '/'))
		(void)strcpy(c->image, text);
	else if (key == LINK_K_SEED)
		return put_seed(text);
	else if (key == LINK_K_NETWORK)
		return network_item(text);
	else
		return false;
	return true;
}

/* --- mounts; inside the root, so that its links lead nowhere else --- */

static void make_folders(const char *path)
{
	char part[512];

	if (strlen(path) >= sizeof(part))
		return;
	(void)strcpy(part, path);
	for (char *p = part + 1; *p; p++)
		if (*p == '/') {
			*p = '\0';
			(void)mkdir(part, 0755);
			*p = '/';
		}
	(void)mkdir(part, 0755);
}

static const struct {
	const char *word;
	unsigned long flag;
} words[] = {{"ro", MS_RDONLY},	    {"nosuid", MS_NOSUID},   {"nodev", MS_NODEV},
	     {"noexec", MS_NOEXEC}, {"noatime", MS_NOATIME}, {"relatime", MS_RELATIME}};

/* Options into flags; the rest is left in `text`. */
static unsigned long take_flags(char *text)
{
	unsigned long flags = 0;
	char *start = text;
	char *to = text;
	char *word;

	while ((word = strsep(&text, ","))) {
		bool known = strcmp(word, "rw") == 0 || strcmp(word, "strictatime") == 0 ||
			     strcmp(word, "newinstance") == 0;
		size_t len = strlen(word);

		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (strcmp(word, words[i].word) == 0) {
				flags |= words[i].flag;
				known = true;
			}
		if (known || len == 0)
			continue;
		memmove(to, word, len);
		to += len;
		*to++ = ',';
	}
	if (to > start && to[-1] == ',')
		to--;
	*to = '\0';
	return flags;
}

/* Only in the first process's PID namespace does proc show that. */
static int mount_one(const char *spec, bool proc)
{
	char copy[1024];
	char *rest = copy;
	char options[512] = "";
	unsigned long flags;
	char *type;
	char *at;

	(void)snprintf(copy, sizeof(copy), "%s", spec);
	type = strsep(&rest, "\n");
	at = strsep(&rest, "\n");
	if (!at || (strcmp(type, "proc") == 0) != proc)
		return 0;
	(void)snprintf(options + 1, sizeof(options) - 1, "%s", rest ? rest : "");
	flags = take_flags(options + 1);
	make_folders(at);
	if (mount(type, at, type, flags, options[1] ? options + 1 : NULL) == 0)
		return 0;
	/* this kernel has no such file system, or not these options */
	if (errno == ENODEV || mount(type, at, type, flags, NULL) == 0)
		return 0;
	return -errno;
}

void root_mount_proc(const struct container *c)
{
	for (uint32_t i = 0; i < c->n; i++)
		(void)mount_one(c->mount[i], true);
}

static void make_devices(void)
{
	static const struct {
		const char *path;
		unsigned int major, minor;
	} nodes[] = {{"/dev/null", 1, 3},   {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
		     {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0}};
	static const char *const links[][2] = {{"/proc/self/fd", "/dev/fd"},
					       {"/proc/self/fd/0", "/dev/stdin"},
					       {"/proc/self/fd/1", "/dev/stdout"},
					       {"/proc/self/fd/2", "/dev/stderr"},
					       {"pts/ptmx", "/dev/ptmx"}};

	(void)mkdir("/dev", 0755);
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
		if (mknod(nodes[i].path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)) ==
		    0)
			(void)chmod(nodes[i].path, 0666);
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		(void)symlink(links[i][0], links[i][1]);
}

static int open_tree(const char *path)
{
	return (int)syscall(SYS_open_tree, AT_FDCWD, path, TREE_CLONE | O_CLOEXEC);
}

static void put_tree(int tree, const char *at)
{
	(void)syscall(SYS_move_mount, tree, "", AT_FDCWD, at, TREE_EMPTY);
	(void)close(tree);
}

/* A folder of the VM that its containers have together. -1: the mount is none. */
static int open_volume(const char *mount)
{
	char path[160];

	if (strncmp(mount, "volume\n", 7) != 0)
		return -1;
	(void)snprintf(path, sizeof(path), VOLUMES "/%.130s", strrchr(mount, '\n') + 1);
	(void)mkdir(VOLUMES, 0700);
	if (mkdir(path, 0777) == 0)
		(void)chmod(path, 0777);
	return open_tree(path);
}

static void put_volume(int tree, const char *mount)
{
	char at[512];

	(void)snprintf(at, sizeof(at), "%.*s", (int)(strrchr(mount, '\n') - mount - 7), mount + 7);
	make_folders(at);
	put_tree(tree, at);
}

/* Containers of a VM have one /dev/shm: what they have of System V IPC they have together, too. */
static int open_shared(const struct container *c)
{
	if (!c->folder[0])
		return -1;
	(void)mkdir(VOLUMES, 0700);
	if (mkdir(VOLUMES "/.shm", 0700) == 0)
		(void)mount("shm", VOLUMES "/.shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
			    "mode=1777");
	return open_tree(VOLUMES "/.shm");
}

static const char *setup_inside(const struct container *c)
{
	int shared = open_shared(c);
	int volume[MOUNTS_MAX];

	for (uint32_t i = 0; i < c->n; i++)
		volume[i] = open_volume(c->mount[i]);
	if (chroot(container_path(c, "root")) < 0 || chdir("/") < 0)
		return say("root: %s", strerror(errno));
	for (uint32_t i = 0; i < c->n; i++) {
		int rc = volume[i] < 0 ? mount_one(c->mount[i], false) : 0;

		if (volume[i] >= 0)
			put_volume(volume[i], c->mount[i]);
		if (rc < 0)
			return say("mount %.200s: %s", c->mount[i], strerror(-rc));
	}
	make_devices();
	if (shared >= 0)
		put_tree(shared, "/dev/shm");
	return NULL;
}

static void raise_loopback(void)
{
	struct ifreq r = {.ifr_flags = IFF_UP | IFF_RUNNING};
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)strcpy(r.ifr_name, "lo");
	if (s >= 0) {
		(void)ioctl(s, SIOCSIFFLAGS, &r);
		(void)close(s);
	}
}

/* In a child, which is the one that changes its root. */
const char *root_setup(struct container *c)
{
	static char why[512];
	const char *failed = container_archive_end(c);
	const char *path;
	int pair[2];
	ssize_t n;
	pid_t pid;

	if (!failed && c->set_up)
		failed = "it has a root already";
	if (failed)
		return failed;
	c->set_up = true;
	raise_loopback();
	failed = network_setup();
	if (!failed)
		failed = image_mount(c);
	if (failed)
		return failed;
	path = container_path(c, "root");
	if (mount(path, path, NULL, MS_BIND, NULL) < 0)
		return say("root: %s", strerror(errno));
	if (pipe2(pair, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		return say("root: %s", strerror(errno));
	if (pid == 0) {
		failed = setup_inside(c);
		if (failed)
			(void)!write(pair[1], failed, strlen(failed));
		_exit(0);
	}
	(void)close(pair[1]);
	n = read(pair[0], why, sizeof(why) - 1);
	(void)close(pair[0]);
	(void)waitpid(pid, NULL, 0);
	if (n > 0) {
		why[n] = '\0';
		return why;
	}
	if (c->readonly && mount(NULL, container_path(c, "root"), NULL,
				 MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0)
		return say("read-only root: %s", strerror(errno));
	return NULL;
}
