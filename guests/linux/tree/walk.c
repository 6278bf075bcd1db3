/* SPDX-License-Identifier: BSD-3-Clause */
/* Files become a stream. Links below the top are not followed; devices, pipes and sockets are left
 * out. */
#include "guests/linux/tree/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE 65536u

struct walking {
	struct tree_out *out;
	struct tree_count *count;
	struct tree_fault *f;
	const char *path; /* of the top */
	struct tree_entry e;
	size_t len; /* of the name */
};

static int fail(struct walking *w)
{
	int code = errno;

	return tree_fault(w->f, code, "\"%.200s%s%.200s\": %s", w->path, w->len ? "/" : "",
			  w->e.name, strerror(code));
}

static int emit(struct walking *w, const void *bytes, size_t len)
{
	int rc = w->out->write(w->out->arg, bytes, len);

	return rc < 0 ? tree_fault(w->f, -rc, "the copy was cut off: %s", strerror(-rc)) : 0;
}

static int emit_head(struct walking *w, enum tree_kind kind, const struct stat *st, uint64_t size)
{
	uint8_t head[TREE_HEAD];
	int rc;

	w->e.kind = kind;
	w->e.mode = st->st_mode & 07777;
	w->e.uid = st->st_uid;
	w->e.gid = st->st_gid;
	w->e.mtime = st->st_mtime;
	w->e.size = size;
	tree_head(&w->e, head);
	rc = emit(w, head, sizeof(head));
	if (rc == 0 && w->len)
		rc = emit(w, w->e.name, w->len);
	if (rc == 0)
		w->count->entries++;
	return rc;
}

static int send_file(struct walking *w, int fd, const struct stat *st)
{
	static char piece[PIECE];
	uint64_t left = (uint64_t)st->st_size;
	int rc;

	if (left > TREE_FILE_MAX) {
		errno = EFBIG;
		return fail(w);
	}
	rc = emit_head(w, TREE_FILE, st, left);
	while (rc == 0 && left) {
		ssize_t n = read(fd, piece, left < PIECE ? (size_t)left : PIECE);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(w);
		if (n == 0) {
			errno = EAGAIN; /* it has become shorter */
			return tree_fault(w->f, EAGAIN, "\"%.300s\" became shorter meanwhile",
					  w->len ? w->e.name : w->path);
		}
		rc = emit(w, piece, (size_t)n);
		left -= (uint64_t)n;
		w->count->bytes += (uint64_t)n;
		if (w->count->tick)
			w->count->tick(w->count);
	}
	return rc;
}

static int send_link(struct walking *w, int dir, const char *name, const struct stat *st)
{
	char to[TREE_NAME];
	ssize_t n = readlinkat(dir, name, to, sizeof(to));
	int rc;

	if (n <= 0 || n == (ssize_t)sizeof(to))
		return fail(w);
	rc = emit_head(w, TREE_LINK, st, (uint64_t)n);
	return rc < 0 ? rc : emit(w, to, (size_t)n);
}

static void leave_out(struct walking *w, const char *why)
{
	w->count->left_out++;
	w->out->left_out(w->len ? w->e.name : w->path, why);
}

static int send_folder(struct walking *w, int fd, const struct stat *st, unsigned int depth);

static int send_one(struct walking *w, int dir, const char *name, unsigned int depth)
{
	struct stat st;
	int fd;
	int rc;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fail(w); /* it was removed meanwhile */
	if (S_ISLNK(st.st_mode))
		return send_link(w, dir, name, &st);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
		leave_out(w, "no file, folder or link");
		return 0;
	}
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		rc = fail(w);
	else if (S_ISDIR(st.st_mode))
		return send_folder(w, fd, &st, depth);
	else
		rc = S_ISREG(st.st_mode) ? send_file(w, fd, &st) : 0;
	if (fd >= 0)
		(void)close(fd);
	return rc;
}

static int send_in(struct walking *w, DIR *d, const char *name, unsigned int depth)
{
	size_t before = w->len;
	size_t more = strlen(name);
	int rc = 0;

	if (before + more + 2 > TREE_NAME || depth > TREE_DEPTH) {
		errno = ENAMETOOLONG;
		return fail(w);
	}
	if (before)
		w->e.name[w->len++] = '/';
	memcpy(w->e.name + w->len, name, more + 1);
	w->len += more;
	rc = send_one(w, dirfd(d), name, depth);
	w->len = before;
	w->e.name[before] = '\0';
	return rc;
}

/* Takes the file. */
static int send_folder(struct walking *w, int fd, const struct stat *st, unsigned int depth)
{
	DIR *d = fdopendir(fd);
	struct dirent *entry;
	int rc;

	if (!d) {
		rc = fail(w);
		(void)close(fd);
		return rc;
	}
	rc = emit_head(w, TREE_FOLDER, st, 0);
	while (rc == 0 && (entry = tree_dir_next(d)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			rc = send_in(w, d, entry->d_name, depth + 1);
	if (rc == 0 && errno) /* its end was not reached */
		rc = fail(w);
	(void)closedir(d);
	return rc;
}

static int send_top(struct walking *w)
{
	struct stat st;
	int fd = open(w->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	int rc;

	if (fd < 0 || fstat(fd, &st) < 0)
		rc = fail(w);
	else if (S_ISDIR(st.st_mode))
		return send_folder(w, fd, &st, 0);
	else if (S_ISREG(st.st_mode))
		rc = send_file(w, fd, &st);
	else
		rc = tree_fault(w->f, EINVAL, "\"%.300s\" is no file or folder", w->path);
	if (fd >= 0)
		(void)close(fd);
	return rc;
}

int tree_send(struct tree_out *o, const char *path, struct tree_count *c, struct tree_fault *f)
{
	static struct walking w; /* it is large */
	static const struct stat none;
	int rc;

	memset(&w, 0, sizeof(w));
	w.out = o;
	w.count = c;
	w.f = f;
	w.path = path;
	rc = emit(&w, TREE_MAGIC, strlen(TREE_MAGIC));
	if (rc == 0)
		rc = send_top(&w);
	if (rc < 0)
		return rc;
	w.e.name[0] = '\0';
	w.len = 0;
	rc = emit_head(&w, TREE_END, &none, c->entries);
	c->entries--; /* the end is none */
	return rc;
}
