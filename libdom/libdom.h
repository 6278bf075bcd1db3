/* SPDX-License-Identifier: BSD-3-Clause */
/* The interface of libdom: images, and domains that are built from them in three phases. */
#ifndef CHAOS_LIBDOM_H
#define CHAOS_LIBDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/xen.h"

/* libdom does not use devices, sockets or configuration files. It does not log, and keeps no
 * state except what is the same for all guests of the host (pvh.c). There are two builders:
 * chaos' own for small ELF64 images with Xen notes, and libxenguest for Linux kernels; the image
 * determines which is used (image_info()->builder). */

enum dom_type { DOM_PV, DOM_PVH };

/* "pv" or "pvh". */
const char *dom_type_name(enum dom_type type);

/* --- images --------------------------------------------------------------------------------------
 */

enum image_builder {
	IMAGE_OWN,   /* ELF64 with Xen notes, started by our builder */
	IMAGE_LINUX, /* a Linux bzImage or vmlinux, started by libxenguest */
};

struct image; /* An image, parsed and checked; immutable, reference counted, independent of domains.
	       */

struct image_info {
	enum image_builder builder;
	bool pv, pvh; /* types of guests that it can start as */
	bool noxs;    /* has a noxs note with our ABI version in its range: gets a device page */
	bool direct;  /* ... and a direct 64-bit entry */
	bool gate;    /* ... and can wait at a gate (NOXS_NOTE_GATE) */
	uint64_t virt_base;  /* XEN_ELFNOTE_VIRT_BASE */
	uint64_t start, end; /* guest-physical bytes it occupies, end exclusive; 0,0 for Linux */
	uint64_t bytes;	     /* memory that it uses in this process */
	struct stat file;    /* the file's state before it was read */
	char guest_os[32];   /* XEN_ELFNOTE_GUEST_OS, printable, may be empty */
	char name[256];	     /* for messages: the name given by the caller */
};

/* Reads and checks the image in `fd` (at any position; the caller closes it, and may do so
 * afterwards). `name` is for messages. Images are untrusted: all bounds are checked. Unpacked
 * Linux kernels are stored in `cache_dir`, named by content (NULL: no cache); unpacking is done
 * by a confined child process. Errors: -ENOEXEC not an ELF or bzImage, no Xen notes, 32-bit PV,
 * ...; -EINVAL segment outside memory; -E2BIG larger than IMAGE_MAX_BYTES. */
#define IMAGE_MAX_BYTES (512ull << 20)
int image_open(int fd, const char *name, const char *cache_dir, struct image **out, struct err *e);
/* Limits of the cache: the kernel that was used longest ago is removed first. A kernel that is
 * larger than the whole limit is not stored. */
#define IMAGE_CACHE_FILES 16u
#define IMAGE_CACHE_BYTES (512ull << 20)
/* Call it when the only user of the cache starts: removes files of unpackings that did not end,
 * and files beyond the limits. */
void image_cache_tidy(const char *cache_dir);
/* SHA-256 of a file, in hex. */
int image_digest(int fd, char hex[65], struct err *e);
/* Every struct image begins with this. */
struct image_head {
	struct image_info info;
	uint32_t refs; /* atomic: threads hold references */
};

static inline const struct image_info *image_info(const struct image *img)
{
	return &((const struct image_head *)(const void *)img)->info;
}

static inline struct image *image_ref(struct image *img)
{
	(void)__atomic_add_fetch(&((struct image_head *)(void *)img)->refs, 1, __ATOMIC_RELAXED);
	return img;
}

void image_free(struct image *img);		/* only for image_put() */
static inline void image_put(struct image *img) /* NULL is allowed */
{
	if (img &&
	    __atomic_sub_fetch(&((struct image_head *)(void *)img)->refs, 1, __ATOMIC_ACQ_REL) == 0)
		image_free(img);
}

/* Number of pages of a shell for Linux that dom_window() should keep mapped for this image; 0
 * for other images. */
uint32_t image_window_pages(const struct image *img);

/* Smallest memory, in KiB, of a domain of `type` that can start this image with that many bytes
 * of modules. */
uint64_t image_min_kib(const struct image *img, enum dom_type type, uint32_t vcpus,
		       uint64_t module_bytes);

/* --- domains -------------------------------------------------------------------------------------
 */

/* The physical CPUs on which vCPUs may run: bitmaps one after the other, bit n = pCPU n. */
struct dom_cpus {
	uint8_t *map;	/* NULL: all vCPUs may run on all */
	uint32_t bytes; /* size of one bitmap */
	uint32_t n; /* 0: there is one bitmap, for all vCPUs; else one for each of the first n vCPUs
		     */
};

/* Size of all its bitmaps. */
static inline size_t dom_cpus_bytes(const struct dom_cpus *c)
{
	return c->map ? (size_t)c->bytes * (c->n ? c->n : 1) : 0;
}

/* Limits of Xen's tables for a domain. Values that are not set depend on the image: with a noxs
 * note they are small (4 grant frames, no maptrack frames, grant version 1, ports up to 127),
 * otherwise those of xl (this Xen's own limits, the host's highest grant version, ports up to
 * 1023). */
struct dom_limits {
	uint32_t asked;		  /* DOM_LIMIT_*: which of the members below are set */
	uint32_t grant_frames;	  /* 1 or more; at most the value that Xen was booted with */
	uint32_t maptrack_frames; /* 0 or more; likewise */
	uint32_t grant_version;	  /* 1 or 2 */
	uint32_t evtchn_port;	  /* the highest port, 1..DOM_EVTCHN_PORT_MAX */
};
#define DOM_LIMIT_GRANT_FRAMES	  1u
#define DOM_LIMIT_MAPTRACK_FRAMES 2u
#define DOM_LIMIT_GRANT_VERSION	  4u
#define DOM_LIMIT_EVTCHN_PORT	  8u
#define DOM_LIMITS		  15u	  /* all of them */
#define DOM_EVTCHN_PORT_MAX	  131071u /* of the FIFO ABI */
/* The highest port of a domain with these limits, for an image with or without a noxs note. */
uint32_t dom_evtchn_port_max(const struct dom_limits *l, bool noxs);

struct dom_spec {
	enum dom_type type;
	uint32_t domid; /* the id to use, or 0 */
	uint8_t uuid[16];
	uint64_t mem_kib;	  /* rounded up to whole pages */
	uint64_t maxmem_kib;	  /* >= mem_kib; 0 = mem_kib */
	uint32_t vcpus;		  /* 1..DOM_MAX_VCPUS */
	struct dom_limits limits; /* zeroed: as for the kind of image */
	uint32_t weight;	  /* 0 = scheduler's default */
	uint32_t cap;		  /* in % of one CPU; UINT32_MAX = leave */
	uint32_t ring_pages;	  /* for devices of guests with a noxs entry; <= DOM_RINGS_MAX */
	struct dom_cpus cpus;	  /* hard affinity; the memory belongs to the caller */
	bool for_linux; /* without an image: a shell for Linux kernels instead of noxs images */
	bool empty; /* Linux: has no memory yet; save_restore() gives it the pages that were saved
		     */
};

#define DOM_WINDOW_MAX 16384u /* pages */
#define DOM_RINGS_MAX  24u
#define DOM_RING_GREF  8u /* ring page n is granted to dom0 by reference 8 + n */
#define DOM_MAX_VCPUS  128

/* A module; the first one is the ramdisk. The caller closes the fd. */
struct dom_module {
	int fd;
	const char *name; /* for messages */
};

struct dom_load {
	const char *cmdline; /* NUL-terminated; "" for none */
	const struct dom_module *module;
	uint32_t nmodule; /* chaos' builder: as many as fit into the layout; Linux: at most 1 */
	uint32_t cmdline_room; /* Linux: reserve room for a command line of that size, for
				  dom_set_cmdline() */
	uint32_t console_port; /* guest-side event ports, for guests that get their console (and */
	uint32_t store_port;   /* store) the standard way; store 0 = no store */
	/* dom_build(): called when the domain exists, to make these two ports; NULL: not needed */
	int (*ports)(void *arg, struct xen *x, uint32_t domid, struct dom_load *l, struct err *e);
	void *arg;
};

enum dom_phase {
	DOM_T_CREATE,
	DOM_T_VCPUS,
	DOM_T_MEMORY,
	DOM_T_TABLES,
	DOM_T_LOAD,
	DOM_T_CONTEXT,
	DOM_T_START,
	DOM_T_COUNT
};

/* "create", "vcpus", ..., for output. */
const char *dom_phase_name(enum dom_phase p);

/* Machine frames of a PV guest with a noxs entry, in the order of its guest frames, if they form
 * few runs; and those of its shared info page and grant table. A save uses them instead of
 * walking page tables. */
#define DOM_RUNS_MAX 16u
struct dom_frames {
	uint32_t n; /* number of runs; 0, or more than DOM_RUNS_MAX: not known */
	uint32_t shared, grant[XEN_GRANT_FRAMES];
	struct dom_run {
		uint32_t mfn;
		int32_t pages; /* < 0: frames are in descending order */
	} run[DOM_RUNS_MAX];
};

/* A domain under construction or running. Embedded by the caller and zeroed by dom_init(); the
 * caller only reads its fields. One thread at a time. */
struct dom {
	uint32_t domid;	  /* 0 = none */
	uint8_t uuid[16]; /* its uuid: dom_destroy() destroys no domain with another uuid */
	enum dom_type type;
	uint32_t vcpus;
	uint64_t pages;	    /* of RAM, guest frames [0, pages) */
	uint64_t had_pages; /* a restored Linux had so many of `pages`; 0: all */
	uint64_t max_pages; /* pages in its memory map; if more than `pages`, a balloon driver must
			       keep */
	/* it to those, and may let it grow. Images with a noxs note: as pages */
	uint64_t dev_gfn;     /* device page (noxs) or store page; valid after dom_prepare() for */
	uint64_t control_gfn; /* shells, else after dom_load() */
	uint64_t dev_frame;   /* the same two in the form that xen_map() takes: PV mfn, PVH gfn */
	uint64_t control_frame;
	uint64_t shared_info_gfn; /* as in struct noxs_page; 0 for Linux */
	uint64_t page_table_gfn, page_table_pages, image_end_gfn; /* likewise */
	/* Images with a noxs entry: vCPU 0 starts in the device page, at its field `start`,
	 * which must have a jump to this virtual address; 0 for others. */
	uint64_t entry;
	uint64_t cmdline_frame; /* Linux loaded with cmdline_room: in the form that xen_map() takes;
				   PVH also */
	uint32_t cmdline_at, cmdline_room; /* the next one; offset in it, and room there */
	uint32_t console_port, store_port; /* save_restore() of Linux: set by the caller before */
	uint8_t *window; /* dom_window(): frames from window_gfn on, mapped; or NULL */
	uint64_t window_gfn;
	uint64_t ring_gfn;     /* first of the ring pages, which are initialised */
	uint32_t ring_pages;   /* 0: there are none */
	uint32_t grant_frames; /* pages of the grant table that are mapped for the guest ... */
	uint64_t grant_gfn;    /* ... from this frame on */
	xen_pfn_t ring_frame[DOM_RINGS_MAX]; /* the ring pages in the form that xen_map() takes */
	uint32_t window_pages;
	uint32_t window_tables; /* after them, also the PVH page tables from page_table_gfn on are
				   mapped */
	/* The control page, if the caller has mapped it; otherwise NULL. Valid until
	 * dom_release(). */
	uint8_t *control;
	uint8_t *tables; /* PV, set by dom_template_back(): page tables, mapped read-only; NULL: not
			    mapped */
	struct dom_frames frames;
	uint32_t phase_ns[DOM_T_COUNT]; /* duration of each phase */
	struct dom_build *build; /* used by libdom only: p2m of PV, layout, mappings that stay */
};

static inline void dom_init(struct dom *d)
{
	memset(d, 0, sizeof(*d));
}

/* Whether dom_arm() has something to do. */
static inline bool dom_is_unarmed(const struct dom *d)
{
	return d->build != NULL;
}

/* Whether it is Linux without a command line yet, which is written later. */
static inline bool dom_lacks_cmdline(const struct dom *d)
{
	return d->cmdline_room != 0;
}

/* Pages that dom_window() has mapped; 0: none. */
static inline uint32_t dom_window_pages(const struct dom *d)
{
	return d->window ? d->window_pages : 0;
}

/* PREPARE: creates the domain paused, with vCPUs, memory, scheduling parameters and all else
 * that does not depend on the image; also the vCPU state if it will start at a noxs entry. With
 * `img` NULL it makes a shell: any noxs image of this type with a direct entry and VIRT_BASE 0
 * can be loaded into it later, or, with spec->for_linux, any Linux kernel. On failure nothing is
 * left. -ENOMEM: the message says how much memory is free; -EINVAL: memory is less than the
 * image needs (the message says how much); -EOPNOTSUPP: the host or the image does not support
 * this type. */
int dom_prepare(struct xen *x, const struct dom_spec *spec, const struct image *img, struct dom *d,
		struct err *e);

/* Sets weight, cap and affinity of a domain from the spec. dom_prepare() calls it; call it for a
 * shell when it is claimed. */
int dom_schedule(struct xen *x, const struct dom *d, const struct dom_spec *spec, struct err *e);

/* LOAD: puts image, modules and command line into a prepared domain. Afterwards dev_frame and
 * control_frame may be mapped and written. If an image was given to dom_prepare(), it must be
 * the same. Images with a noxs entry, and Linux, are then ready to run, and d->build is NULL. On
 * failure the domain stays and must be destroyed with dom_destroy(). */
int dom_load(struct xen *x, struct dom *d, const struct image *img, const struct dom_load *l,
	     struct err *e);

/* PREPARE and LOAD, for an image that is known. On failure nothing is left. */
int dom_build(struct xen *x, const struct dom_spec *spec, const struct image *img,
	      struct dom_load *l, struct dom *d, struct err *e);

/* Maps the pages of a prepared shell into which images are loaded, at most `pages` of them, so
 * that dom_load() only copies. They stay mapped until dom_window_close() or dom_destroy(). (Not
 * for Linux as PV: dom_load() unmaps them.) Unmapping takes 3 us a page. */
int dom_window(struct xen *x, struct dom *d, uint32_t pages, struct err *e);
void dom_window_close(struct xen *x, struct dom *d);
/* Moves the mappings of `from`, window and tables, to `to`, which has none. */
void dom_window_move(struct dom *to, struct dom *from);

/* Gives a loaded Linux that does not run yet another command line. -E2BIG: there is no room for
 * it. */
int dom_set_cmdline(struct xen *x, const struct dom *d, const char *cmdline, struct err *e);

/* START, first half: afterwards xen_domain_unpause() runs the guest. Sets the vCPU state of an
 * image with the standard entry and frees d->build. For other images dom_load() has done that,
 * and this does nothing. */
int dom_arm(struct xen *x, struct dom *d, const struct image *img, struct err *e);

/* Frees the memory and mappings that libdom has in this process for the domain; changes nothing
 * in Xen. A running domain does not need them. */
void dom_release(struct dom *d);

/* dom_release(), then destroys the domain in Xen. The caller must have unmapped its own mappings
 * and unbound its ports. Returns success also if the domain does not exist any more, or its id
 * belongs to another domain, which is not changed. Synchronous; takes time in proportion to the
 * memory. */
int dom_destroy(struct xen *x, struct dom *d, struct err *e);

#endif
