/* SPDX-License-Identifier: BSD-3-Clause */
/* A file, link or folder with all that is in it, as a stream of bytes. Both ends are made of this,
 * in the guest and on the host. */
#ifndef CHAOS_TREE_H
#define CHAOS_TREE_H

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The stream is TREE_MAGIC, then entries: a head of TREE_HEAD bytes, a name, and `size` bytes of a
 * file or of what a link leads to. The first entry is the top, and has no name; those of others are
 * relative to it. A folder comes before what is in it. The last has the kind 'e', and the number of
 * those before it as its size: a stream without it was cut.
 */
#define TREE_MAGIC	 "chaostr1"
#define TREE_HEAD	 32u
#define TREE_NAME	 4096u /* with the zero byte that ends it in memory */
#define TREE_DEPTH	 128u
#define TREE_ENTRIES_MAX 4000000u
#define TREE_FILE_MAX	 (1ull << 40)

enum tree_kind { TREE_FILE = 'f', TREE_FOLDER = 'd', TREE_LINK = 'l', TREE_END = 'e' };

struct tree_entry {
	enum tree_kind kind;
	uint32_t mode; /* 07777 */
	uint32_t uid, gid;
	int64_t mtime; /* seconds */
	uint64_t size;
	char name[TREE_NAME];
};

/* What went wrong, for people. */
struct tree_fault {
	int code; /* an errno */
	char text[512];
};
int tree_fault(struct tree_fault *f, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The next entry of a folder. NULL: then errno is 0 if that was the end. */
static inline struct dirent *tree_dir_next(DIR *d)
{
	errno = 0;
	return readdir(d);
}

/* What was done so far; `tick` (may be NULL) is called for each piece. */
struct tree_count {
	uint64_t entries, bytes, left_out;
	void (*tick)(struct tree_count *c);
	void *arg;
};

/* --- reading a stream: tree.c; whatever it has is checked here --- */

struct tree_in {
	/* Bytes, at least one; 0: its end; or a negative errno. */
	ssize_t (*read)(void *arg, void *to, size_t room);
	void *arg;
	uint64_t bytes_max; /* of all files together */
	/* of its own, zero at first */
	uint64_t entries, bytes, left; /* left: of the entry's bytes */
	bool begun, whole, top_is_folder;
};

/* The next entry; what is left of the one before is passed over. 1; 0: the end, all has come; or a
 * negative errno. */
int tree_next(struct tree_in *t, struct tree_entry *out, struct tree_fault *f);
/* Bytes of the entry, 0 when it has no more, or a negative errno. */
ssize_t tree_data(struct tree_in *t, void *to, size_t room, struct tree_fault *f);

/* A head into bytes and back. -EINVAL: it is none. The name is not in it, its length is. */
void tree_head(const struct tree_entry *e, uint8_t head[TREE_HEAD]);
int tree_read_head(const uint8_t head[TREE_HEAD], struct tree_entry *out, uint32_t *name_len);
/* Of an entry below the top: parts between single "/", none of them "." or "..", not too deep. */
bool tree_name_is_clean(const char *name);
/* Whether a link of that name may lead out of the tree. */
bool tree_link_leaves(const char *name, const char *to);

/* --- making the files of a stream: make.c --- */

struct tree_rules {
	bool owners;  /* numbers of owners are set */
	bool set_ids; /* so are the bits of setuid, setgid and sticky */
	bool links;   /* links that lead out of the tree are made, too */
	/* One that was left out. */
	void (*left_out)(const char *name, const char *why);
};

/* Makes them as `name` in the folder `dir`; NULL: in `dir` itself, as the top is a folder. A file
 * has its name when it is whole. Names that are there are replaced, but for folders. */
int tree_make(struct tree_in *t, int dir, const char *name, const struct tree_rules *r,
	      struct tree_count *c, struct tree_fault *f);

/* Where the user says: a folder that is there gets it as `base` (NULL: gets what is in it), else
 * the path is its name. Returns the folder, and what to call it there (in `path`'s bytes, or
 * `base`). */
int tree_place(char *path, const char *base, const char **name, struct tree_fault *f);
/* The last part of a path; NULL: "/", "." or "..". */
const char *tree_base(const char *path, char *room, size_t size);

/* --- writing the stream of files: walk.c --- */

struct tree_out {
	int (*write)(void *arg, const void *bytes, size_t len); /* 0 or a negative errno */
	void *arg;
	void (*left_out)(const char *name, const char *why);
};

int tree_send(struct tree_out *o, const char *path, struct tree_count *c, struct tree_fault *f);

#endif
