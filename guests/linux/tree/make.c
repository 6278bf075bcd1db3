/* SPDX-License-Identifier: BSD-3-Clause */
/* A stream becomes files. Folders are entered without following links, so that nothing is made
 * outside of the one that was given. */
#include "guests/linux/tree/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PIECE 65536u

/* Of <linux/openat2.h>, which musl has not. */
struct how {
	uint64_t flags, mode, resolve;
};
#define OPENAT2	      437
#define NO_MAGICLINKS 0x02u
#define NO_SYMLINKS   0x04u
#define BENEATH	      0x08u

#define FOLDER (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct making {
	struct tree_in *in;
	const struct tree_rules *rules;
	struct tree_count *count;
	struct tree_fault *f;
	int dir;	  /* the folder that was given */
	const char *name; /* of the top in it; NULL: the top is `dir` */
	int top;	  /* the top, when it is a folder; -1 */
	int parent;	  /* of the entry: `dir`, or opened for `at` */
	char at[TREE_NAME];
	uint32_t temporary;
	struct tree_entry e;
};

static int fail(struct making *m, const char *what)
{
	int code = errno;

	return tree_fault(m->f, code, "%s \"%.300s\": %s", what,
			  m->e.name[0] ? m->e.name
			  : m->name    ? m->name
				       : ".",
			  strerror(code));
}

/* --- the folder of an entry --- */

static int step_down(int from, const char *path)
{
	char part[256];
	int at = dup(from);

	while (at >= 0 && *path) {
		size_t len = strcspn(path, "/");
		int next;

		memcpy(part, path, len); /* at most 255: checked */
		part[len] = '\0';
		next = openat(at, part, FOLDER);
		(void)close(at);
		at = next;
		path += len;
		path += *path == '/';
	}
	return at;
}

static int open_beneath(int from, const char *path)
{
	struct how how = {.flags = FOLDER, .resolve = BENEATH | NO_SYMLINKS | NO_MAGICLINKS};
	long fd = syscall(OPENAT2, from, path, &how, sizeof(how));

	return fd >= 0 || (errno != ENOSYS && errno != EPERM) ? (int)fd : step_down(from, path);
}

/* Opens it, unless it is that of the entry before. Returns the entry's name in it. */
static const char *enter(struct making *m)
{
	const char *slash = strrchr(m->e.name, '/');
	size_t len = slash ? (size_t)(slash - m->e.name) : 0;

	if (!m->e.name[0]) {
		m->parent = m->dir;
		return m->name;
	}
	if (m->parent != m->dir && m->parent != m->top && strlen(m->at) == len &&
	    memcmp(m->at, m->e.name, len) == 0)
		return slash + 1;
	if (m->parent != m->dir && m->parent != m->top)
		(void)close(m->parent);
	m->parent = m->top;
	if (!slash)
		return m->e.name;
	memcpy(m->at, m->e.name, len);
	m->at[len] = '\0';
	m->parent = open_beneath(m->top, m->at);
	if (m->parent >= 0)
		return slash + 1;
	m->parent = m->top;
	(void)fail(m, "the folder of");
	return NULL;
}

/* --- entries --- */

static uint32_t mode_of(const struct making *m)
{
	return m->e.mode & (m->rules->set_ids ? 07777 : 0777);
}

/* Owner first: a change of it takes the setuid bit away. */
static int finish(struct making *m, int fd)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = (time_t)m->e.mtime}};

	if (m->rules->owners && fchown(fd, m->e.uid, m->e.gid) < 0)
		return fail(m, "the owner of");
	if (fchmod(fd, mode_of(m)) < 0)
		return fail(m, "the mode of");
	if (m->e.kind == TREE_FILE)
		(void)futimens(fd, times); /* a file system may not have such times */
	return 0;
}

static int make_folder(struct making *m, const char *name)
{
	int fd;
	int rc;

	if (!name) { /* the top is what was given, and stays as it is */
		m->top = m->dir;
		return 0;
	}
	rc = mkdirat(m->parent, name, 0700);
	if (rc < 0 && errno != EEXIST)
		return fail(m, "folder");
	fd = openat(m->parent, name, FOLDER);
	if (fd < 0)
		return fail(m, "folder");
	rc = rc == 0 ? finish(m, fd) : 0;
	if (m->e.name[0])
		(void)close(fd);
	else
		m->top = fd;
	return rc;
}

static void temporary_name(struct making *m, char *to, size_t room)
{
	(void)snprintf(to, room, ".chaos-cp.%d.%u", (int)getpid(), m->temporary++);
}

static int take_bytes(struct making *m, int fd)
{
	static char piece[PIECE];
	ssize_t n;

	while ((n = tree_data(m->in, piece, sizeof(piece), m->f)) > 0) {
		for (ssize_t done = 0; done < n;) {
			ssize_t k = write(fd, piece + done, (size_t)(n - done));

			if (k < 0 && errno != EINTR)
				return fail(m, "file");
			done += k > 0 ? k : 0;
		}
		m->count->bytes += (uint64_t)n;
		if (m->count->tick)
			m->count->tick(m->count);
	}
	return (int)n;
}

static int make_file(struct making *m, const char *name)
{
	char temporary[64];
	int fd;
	int rc;

	temporary_name(m, temporary, sizeof(temporary));
	fd = openat(m->parent, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return fail(m, "file");
	rc = take_bytes(m, fd);
	if (rc == 0)
		rc = finish(m, fd);
	if (close(fd) < 0 && rc == 0)
		rc = fail(m, "file");
	if (rc == 0 && renameat(m->parent, temporary, m->parent, name) < 0)
		rc = fail(m, "file");
	if (rc < 0)
		(void)unlinkat(m->parent, temporary, 0);
	return rc;
}

static int make_link(struct making *m, const char *name)
{
	char to[TREE_NAME];
	char temporary[64];
	size_t len = 0;
	ssize_t n;
	int rc = 0;

	while ((n = tree_data(m->in, to + len, sizeof(to) - 1 - len, m->f)) > 0)
		len += (size_t)n;
	if (n < 0)
		return (int)n;
	to[len] = '\0';
	if (strlen(to) != len)
		return tree_fault(m->f, EPROTO, "a link's name has a zero byte");
	if (!m->rules->links && tree_link_leaves(m->e.name, to)) {
		m->count->left_out++;
		m->rules->left_out(m->e.name[0] ? m->e.name : name,
				   "a link that leads out of the tree");
		return 0;
	}
	temporary_name(m, temporary, sizeof(temporary));
	if (symlinkat(to, m->parent, temporary) < 0)
		return fail(m, "link");
	if (m->rules->owners &&
	    fchownat(m->parent, temporary, m->e.uid, m->e.gid, AT_SYMLINK_NOFOLLOW) < 0)
		rc = fail(m, "the owner of");
	if (rc == 0 && renameat(m->parent, temporary, m->parent, name) < 0)
		rc = fail(m, "link");
	if (rc < 0)
		(void)unlinkat(m->parent, temporary, 0);
	return rc;
}

static int make_one(struct making *m)
{
	const char *name = enter(m);

	if (!name && (m->e.name[0] || m->name))
		return -m->f->code;
	if (m->e.kind == TREE_FOLDER)
		return make_folder(m, name);
	if (!name)
		return tree_fault(m->f, ENOTDIR, "what comes is no folder");
	return m->e.kind == TREE_LINK ? make_link(m, name) : make_file(m, name);
}

int tree_make(struct tree_in *t, int dir, const char *name, const struct tree_rules *r,
	      struct tree_count *c, struct tree_fault *f)
{
	static struct making m; /* it is large */
	int rc;

	memset(&m, 0, sizeof(m));
	m.in = t;
	m.rules = r;
	m.count = c;
	m.f = f;
	m.dir = m.parent = dir;
	m.name = name;
	m.top = -1;
	while ((rc = tree_next(t, &m.e, f)) > 0) {
		rc = make_one(&m);
		if (rc < 0)
			break;
		c->entries++;
		if (c->tick)
			c->tick(c);
	}
	if (m.parent != dir && m.parent != m.top)
		(void)close(m.parent);
	if (m.top >= 0 && m.top != dir)
		(void)close(m.top);
	return rc;
}

/* --- where it goes --- */

const char *tree_base(const char *path, char *room, size_t size)
{
	size_t len = strlen(path);
	const char *slash;

	while (len > 1 && path[len - 1] == '/')
		len--;
	if (len == 0 || len >= size)
		return NULL;
	memcpy(room, path, len);
	room[len] = '\0';
	slash = strrchr(room, '/');
	slash = slash ? slash + 1 : room;
	return *slash && strcmp(slash, ".") != 0 && strcmp(slash, "..") != 0 ? slash : NULL;
}

int tree_place(char *path, const char *base, const char **name, struct tree_fault *f)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t len = strlen(path);
	char *slash;

	*name = base;
	if (fd >= 0)
		return fd;
	if (errno != ENOENT && errno != ENOTDIR)
		return tree_fault(f, errno, "\"%.300s\": %s", path, strerror(errno));
	while (len > 1 && path[len - 1] == '/')
		path[--len] = '\0';
	slash = strrchr(path, '/');
	*name = slash ? slash + 1 : path;
	if (!**name || strcmp(*name, ".") == 0 || strcmp(*name, "..") == 0)
		return tree_fault(f, ENOENT, "\"%.300s\": there is no such folder", path);
	if (slash)
		*slash = '\0';
	fd = open(!slash ? "." : *path ? path : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 ? fd : tree_fault(f, errno, "\"%.300s\": %s", path, strerror(errno));
}
