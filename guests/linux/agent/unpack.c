/* SPDX-License-Identifier: BSD-3-Clause */
/* An archive of the form "newc" that comes in pieces, as Linux unpacks it from an initramfs. */
#include "guests/linux/agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define HEAD	 110u
#define PATH	 4096u
#define TRAILER	 "TRAILER!!!"
#define LINKS	 4096u /* files with several names */
#define NO_MAGIC "070701"

/* Fields of a head. */
enum { INODE, MODE, UID, GID, NLINK, MTIME, SIZE, MAJOR, MINOR, RMAJOR, RMINOR, NAMESIZE, FIELDS };

struct unpack {
	enum { IN_HEAD, IN_NAME, IN_DATA, IN_END } at;
	int dir;
	char why[300];
	char head[HEAD];
	char name[PATH];
	char target[PATH]; /* of a link */
	uint32_t have;	   /* bytes of what it is in; of the data all are counted */
	uint32_t pad;	   /* bytes to be passed over before it goes on */
	uint32_t field[FIELDS];
	int fd; /* of the file whose data it is; -1 */
	struct {
		uint32_t inode;
		char *name;
	} * links;
	uint32_t nlink;
};

/* Of <linux/openat2.h>, which musl has not. */
struct how {
	uint64_t flags, mode, resolve;
};
#define NO_LINKS 0x04u
#define BENEATH	 0x08u

struct unpack *unpack_begin(int dir)
{
	struct unpack *u = dir >= 0 ? calloc(1, sizeof(*u)) : NULL;

	if (!u) {
		if (dir >= 0)
			(void)close(dir);
		return NULL;
	}
	u->dir = dir;
	u->fd = -1;
	return u;
}

static void fail(struct unpack *u, const char *what)
{
	if (!u->why[0])
		(void)snprintf(u->why, sizeof(u->why), "archive: %.200s: %s", u->name,
			       what ? what : strerror(errno));
	u->at = IN_END;
}

/* --- entries --- */

/* The folder of an entry, which is there; *leaf: its name in it. -1 */
static int open_parent(struct unpack *u, char *name, const char **leaf)
{
	struct how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = NO_LINKS | BENEATH};
	char *slash = strrchr(name, '/');
	int fd;

	*leaf = slash ? slash + 1 : name;
	if (!**leaf || strcmp(*leaf, ".") == 0 || strcmp(*leaf, "..") == 0) {
		errno = EINVAL;
		return -1;
	}
	if (!slash)
		return fcntl(u->dir, F_DUPFD_CLOEXEC, 3);
	*slash = '\0';
	fd = (int)syscall(SYS_openat2, u->dir, name, &how, sizeof(how));
	*slash = '/';
	return fd;
}

/* A further name of a file that was here before: 1; 0: it is the first one, and is noted. */
static int link_to(struct unpack *u, int parent, const char *leaf)
{
	const char *first;
	char *name;
	void *more;
	int from;
	int rc;

	if (u->field[NLINK] < 2)
		return 0;
	for (uint32_t i = 0; i < u->nlink; i++) {
		if (u->links[i].inode != u->field[INODE])
			continue;
		from = open_parent(u, u->links[i].name, &first);
		rc = from < 0 ? -1 : linkat(from, first, parent, leaf, 0);
		if (from >= 0)
			(void)close(from);
		return rc < 0 ? -1 : 1;
	}
	more = u->nlink < LINKS ? realloc(u->links, (u->nlink + 1) * sizeof(*u->links)) : NULL;
	if (more)
		u->links = more;
	name = more ? strdup(u->name) : NULL;
	if (!name) {
		errno = ENOMEM;
		return -1;
	}
	u->links[u->nlink].inode = u->field[INODE];
	u->links[u->nlink++].name = name;
	return 0;
}

/* A file of which data comes is left open. */
static int make_file(struct unpack *u, int parent, const char *leaf)
{
	const struct timespec t[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = u->field[MTIME]}};
	int rc;

	(void)unlinkat(parent, leaf, 0);
	rc = link_to(u, parent, leaf);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	u->fd = openat(parent, leaf, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (u->fd < 0 || fchown(u->fd, u->field[UID], u->field[GID]) < 0 ||
	    fchmod(u->fd, u->field[MODE] & 07777) < 0)
		return -1;
	(void)futimens(u->fd, t);
	return 0;
}

static int make_other(struct unpack *u, int parent, const char *leaf)
{
	mode_t mode = u->field[MODE];

	if (S_ISDIR(mode)) {
		if (mkdirat(parent, leaf, 0700) < 0 && errno != EEXIST)
			return -1;
	} else {
		(void)unlinkat(parent, leaf, 0);
		if (mknodat(parent, leaf, mode, makedev(u->field[RMAJOR], u->field[RMINOR])) < 0)
			return -1;
	}
	if (fchownat(parent, leaf, u->field[UID], u->field[GID], AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	return fchmodat(parent, leaf, mode & 07777, 0);
}

static int make_link(struct unpack *u, int parent, const char *leaf)
{
	(void)unlinkat(parent, leaf, 0);
	if (symlinkat(u->target, parent, leaf) < 0)
		return -1;
	return fchownat(parent, leaf, u->field[UID], u->field[GID], AT_SYMLINK_NOFOLLOW);
}

/* The name, and of a link where it leads, are known. */
static void make(struct unpack *u)
{
	mode_t mode = u->field[MODE];
	const char *leaf;
	int parent = open_parent(u, u->name, &leaf);
	int rc = -1;

	if (parent >= 0) {
		rc = S_ISREG(mode)   ? make_file(u, parent, leaf)
		     : S_ISLNK(mode) ? make_link(u, parent, leaf)
				     : make_other(u, parent, leaf);
		if (rc < 0)
			fail(u, NULL);
		(void)close(parent);
	} else {
		fail(u, NULL);
	}
}

/* --- bytes --- */

static uint32_t padding(uint32_t len)
{
	return (4 - len % 4) % 4;
}

static void next(struct unpack *u)
{
	if (u->fd >= 0)
		(void)close(u->fd);
	u->fd = -1;
	u->at = IN_HEAD;
	u->have = 0;
}

static void head_is_there(struct unpack *u)
{
	(void)strcpy(u->name, "a head");
	if (memcmp(u->head, NO_MAGIC, 6) != 0) {
		fail(u, "it is none");
		return;
	}
	for (int i = 0; i < FIELDS; i++) {
		char text[9] = {0};
		char *end;

		memcpy(text, u->head + 6 + 8 * i, 8);
		u->field[i] = (uint32_t)strtoul(text, &end, 16);
		if (end != text + 8 || text[0] == '-' || text[0] == '+') {
			fail(u, "a field is no number");
			return;
		}
	}
	if (u->field[NAMESIZE] < 2 || u->field[NAMESIZE] > PATH) {
		fail(u, "the name is too long");
		return;
	}
	u->at = IN_NAME;
	u->have = 0;
}

static void name_is_there(struct unpack *u)
{
	u->name[u->field[NAMESIZE] - 1] = '\0';
	u->pad = padding(HEAD + u->field[NAMESIZE]);
	u->have = 0;
	u->at = IN_DATA;
	if (strcmp(u->name, TRAILER) == 0) {
		u->at = IN_END;
		return;
	}
	if (S_ISLNK(u->field[MODE])) {
		if (u->field[SIZE] == 0 || u->field[SIZE] >= PATH)
			fail(u, "where the link leads is too long");
		return;
	}
	make(u);
	if (u->at == IN_DATA && u->field[SIZE] == 0)
		next(u);
}

static void data_is_there(struct unpack *u)
{
	if (S_ISLNK(u->field[MODE])) {
		u->target[u->field[SIZE]] = '\0';
		make(u);
		if (u->at != IN_DATA)
			return;
	}
	u->pad = padding(u->field[SIZE]);
	next(u);
}

static void keep_data(struct unpack *u, const uint8_t *bytes, uint32_t n)
{
	if (S_ISLNK(u->field[MODE]))
		memcpy(u->target + u->have, bytes, n);
	else if (u->fd >= 0 && write(u->fd, bytes, n) != (ssize_t)n)
		fail(u, NULL);
}

/* As much of it as belongs to what it is in. */
static uint32_t take(struct unpack *u, const uint8_t *bytes, uint32_t len)
{
	uint32_t all = u->at == IN_HEAD	  ? HEAD
		       : u->at == IN_NAME ? u->field[NAMESIZE]
					  : u->field[SIZE];
	uint32_t n = len < all - u->have ? len : all - u->have;

	if (u->at == IN_HEAD)
		memcpy(u->head + u->have, bytes, n);
	else if (u->at == IN_NAME)
		memcpy(u->name + u->have, bytes, n);
	else
		keep_data(u, bytes, n);
	u->have += n;
	if (u->have < all || u->at == IN_END)
		return n;
	if (u->at == IN_HEAD)
		head_is_there(u);
	else if (u->at == IN_NAME)
		name_is_there(u);
	else
		data_is_there(u);
	return n;
}

void unpack_bytes(struct unpack *u, const uint8_t *bytes, size_t len)
{
	while (len && u->at != IN_END) {
		uint32_t n = len < UINT32_MAX ? (uint32_t)len : UINT32_MAX;

		if (u->pad) {
			n = n < u->pad ? n : u->pad;
			u->pad -= n;
		} else {
			n = take(u, bytes, n);
		}
		bytes += n;
		len -= n;
	}
}

const char *unpack_end(struct unpack *u)
{
	static char why[sizeof(u->why)];

	if (u->at != IN_END)
		fail(u, "it ends in the middle");
	(void)strcpy(why, u->why);
	next(u);
	for (uint32_t i = 0; i < u->nlink; i++)
		free(u->links[i].name);
	free(u->links);
	(void)close(u->dir);
	free(u);
	return why[0] ? why : NULL;
}
