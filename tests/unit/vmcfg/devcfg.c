/* SPDX-License-Identifier: BSD-3-Clause */
/* vif and disk as an xl user writes them: pairs of text and what comes of it, or the error's words.
 */
#include "split-toolstack/vmcfg/vmcfg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mac.h"
#include "tests/unit/vmcfg/vmcfg_help.h"

/* --- vif --- */

/* All of it as one text. */
static void show_vif(const struct device_config *d, char *to, size_t room)
{
	const struct vif_config *v = &d->u.vif;
	char mac[18];
	const struct vif_ip *ip = &v->ip;

	mac_print(v->mac, mac);
	(void)snprintf(
		to, room,
		"mac=%s mtu=%u bridge=%s ifname=%s devid=%d rate=%llu/%u user=%d dhcp=%d "
		"ip4=%u.%u.%u.%u/%u gw=%u.%u.%u.%u ip6=%02x%02x..%02x/%u gw6=%02x%02x..%02x "
		"text=%s",
		mac, v->mtu, v->bridge, v->ifname, d->devid == DEVICE_ANY ? -1 : (int)d->devid,
		(unsigned long long)v->rate_bytes, v->rate_us, d->backend == BACKEND_USER, ip->dhcp,
		ip->ipv4[0], ip->ipv4[1], ip->ipv4[2], ip->ipv4[3], ip->ipv4_prefix,
		ip->ipv4_gateway[0], ip->ipv4_gateway[1], ip->ipv4_gateway[2], ip->ipv4_gateway[3],
		ip->ipv6[0], ip->ipv6[1], ip->ipv6[15], ip->ipv6_prefix, ip->ipv6_gateway[0],
		ip->ipv6_gateway[1], ip->ipv6_gateway[15], v->ip_text);
}

static int read_spec(enum device_kind kind, const char *spec, struct vmcfg_list *warning,
		     struct device_config *d, struct err *e)
{
	return vmcfg_device(kind, spec, NULL, warning, d, e);
}

/* With this warning, or (NULL) with none. */
static void understood(enum device_kind kind, const char *spec, const char *warning,
		       struct device_config *d)
{
	struct vmcfg v = {0};
	struct err e = {0};
	int rc = read_spec(kind, spec, &v.warning, d, &e);

	if (rc < 0)
		fail_msg("\"%s\": %d \"%s\"", spec, rc, e.msg);
	if (v.warning.n != (warning != NULL) || (warning && !strstr(v.warning.item[0], warning)))
		fail_msg("\"%s\": warnings: %u \"%s\"", spec, v.warning.n,
			 v.warning.n ? v.warning.item[0] : "");
	vmcfg_clear(&v);
}

/* In one line that has the words. */
static void refused(enum device_kind kind, const char *spec, const char *words)
{
	const char *begins = kind == DEVICE_VIF ? "vif \"" : "disk \"";
	struct device_config d;
	struct err e = {0};
	int rc = read_spec(kind, spec, NULL, &d, &e);

	if (rc >= 0 || !strstr(e.msg, words) || strncmp(e.msg, begins, strlen(begins)) != 0 ||
	    strchr(e.msg, '\n'))
		fail_msg("\"%s\": %d \"%s\"", spec, rc, e.msg);
	assert_true(kind == DEVICE_VIF || !d.u.vbd.path);
	device_config_clear(&d);
}

static void vifs_are_understood(void **state)
{
	static const struct {
		const char *spec, *part, *warning;
	} t[] = {
		{"",
		 "mac=00:00:00:00:00:00 mtu=0 bridge=xenbr0 ifname= devid=-1 rate=0/0 user=0 "
		 "dhcp=0 "
		 "ip4=0.0.0.0/0 gw=0.0.0.0 ip6=0000..00/0 gw6=0000..00 text=",
		 NULL},
		{"mac=00:16:3E:74:3d:76,bridge=br1", "mac=00:16:3e:74:3d:76 mtu=0 bridge=br1",
		 NULL},
		{" mac=00:16:3e:00:00:01 , bridge=br1 ,", "mac=00:16:3e:00:00:01 mtu=0 bridge=br1",
		 NULL},
		{"bridge=", "bridge= ", NULL},
		{"vifname=web0,mtu=9000,devid=3", "mtu=9000 bridge=xenbr0 ifname=web0 devid=3",
		 NULL},
		{"rate=1MB/s@20ms", "rate=20000/20000", NULL},
		{"rate=10Mb/s", "rate=62500/50000", NULL},
		{"ip=10.0.0.2", "ip4=10.0.0.2/24 gw=0.0.0.0 ip6=0000..00/0", NULL},
		{"ip=10.0.0.2", "text=10.0.0.2", NULL},
		{"ip=10.1.2.3/8,gateway=10.9.9.9", "ip4=10.1.2.3/8 gw=10.9.9.9", NULL},
		{"gateway=10.0.0.1,ip=10.0.0.2/30", "ip4=10.0.0.2/30 gw=10.0.0.1", NULL},
		{"ip=10.0.0.2/24 fd00::7/48,gateway6=fe80::1", "ip6=fd00..07/48 gw6=fe80..01",
		 NULL},
		{"ip=10.0.0.2 10.0.0.3", "ip4=10.0.0.2/24", NULL},
		{"ip=10.0.0.2 10.0.0.3", "text=10.0.0.2 10.0.0.3", NULL},
		{"ip=fd00::7", "ip6=fd00..07/64", NULL},
		{"dhcp=1", "dhcp=1", NULL},
		{"dhcp", "dhcp=1", NULL},
		{"dhcp=0,ip=10.0.0.2", "dhcp=0 ip4=10.0.0.2/24", NULL},
		{"userspace=1", "user=1", NULL},
		{"userspace=0", "user=0", NULL},
		{"backend=0,type=vif,trusted", "user=0", NULL},
		{"backend=Domain-0", "user=0", NULL},
		{"model=e1000", "bridge=xenbr0", "model \"e1000\" has no effect"},
		{"gatewaydev=eth0", "bridge=xenbr0", "gatewaydev"},
		{"script=vif-bridge", "bridge=xenbr0", "is not run: chaosd puts"},
		{"script=/etc/xen/scripts/vif-route", "bridge= ", "routes are for you"},
		{"bridge=br1,script=vif-route", "bridge=br1", "is not run"},
		{"mac=00:16:3e:00:00:01,mac=00:16:3e:00:00:02", "mac=00:16:3e:00:00:02", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct device_config d;
		char text[512];

		understood(DEVICE_VIF, t[i].spec, t[i].warning, &d);
		show_vif(&d, text, sizeof(text));
		if (!strstr(text, t[i].part))
			fail_msg("\"%s\": %s", t[i].spec, text);
		device_config_clear(&d);
	}
}

static void bad_vifs_are_named(void **state)
{
	static const struct {
		const char *spec, *words;
	} t[] = {
		{"mac=00:16:3e:00:00", "mac \"00:16:3e:00:00\": not of the form"},
		{"mac=00:16:3e:00:00:0g", "not of the form"},
		{"mac=0:016:3e:00:00:01", "not of the form"},
		{"mac=001:6:3e:00:00:01", "not of the form"},
		{"mac=01:16:3e:00:00:01", "multicast"},
		{"mac=ff:ff:ff:ff:ff:ff", "multicast"},
		{"mac=", "mac \"\""},
		{"mac", "mac: has no value"},
		{"bridge=a/b", "bridge \"a/b\": not a name"},
		{"bridge=sixteen-bytes-xx", "not a name"},
		{"vifname=", "vifname \"\": not a name"},
		{"vifname=vif%d", "not a name"},
		{"mtu=67", "mtu 67: out of range; give 68 to 65521"},
		{"mtu=65522", "out of range"},
		{"mtu=big", "mtu \"big\": not a number"},
		{"mtu=1500x", "not a number"},
		{"mtu=-1", "not a number"},
		{"rate=fast", "rate \"fast\": invalid rate; give for example"},
		{"rate=0MB/s", "rate overflow"},
		{"rate=1MB/s@0", "interval overflow"},
		{"rate=", "rate \"\""},
		{"ip=10.0.0.256", "not an IP address"},
		{"ip=10.0.0.2/33", "33: out of range; give 1 to 32"},
		{"ip=10.0.0.2/0", "out of range"},
		{"ip=fd00::1/129", "give 1 to 128"},
		{"ip=fd00::1::2", "not an IP address"},
		{"ip=10.0.0.2/", "not a number"},
		{"ip=name.example", "not an IP address"},
		{"ip=10.0.0.2,gateway=fe80::1", "not an IPv4 address"},
		{"ip=10.0.0.2,gateway=10.0.1.1", "is not in the network"},
		{"gateway=10.0.0.1", "needs an IPv4 address"},
		{"gateway6=fe80::1", "needs an IPv6 address"},
		{"dhcp=1,ip=10.0.0.2", "not both"},
		{"dhcp=2", "dhcp 2: out of range"},
		{"dhcp=yes", "not a number"},
		{"backend=1", "driver domains are not supported"},
		{"backend=netdom", "driver domains"},
		{"type=ioemu", "no emulated cards"},
		{"type=foo", "use \"vif\""},
		{"netns=/n,peer=a/b", "peer \"a/b\": not a name"},
		{"untrusted", "untrusted"},
		{"trusted=0", "trusted"},
		{"devid=256", "out of range"},
		{"brigde=br0", "\"brigde\": not a key of a vif"},
		{"nonsense", "\"nonsense\": not a key"},
		{"=", "\"\": not a key"},
		{"xenbr0", "not a key"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		refused(DEVICE_VIF, t[i].spec, t[i].words);
}

/* --- disk --- */

static void show_vbd(const struct device_config *d, char *to, size_t room)
{
	const struct vbd_config *v = &d->u.vbd;
	char name[16];

	vdev_name(d->devid, name);
	(void)snprintf(to, room, "%s %s %s cd=%d discard=%d user=%d", v->path, name,
		       v->readonly ? "ro" : "rw", v->cdrom, v->discard, d->backend == BACKEND_USER);
}

static void disks_are_understood(void **state)
{
	static const struct {
		const char *spec, *all, *warning;
	} t[] = {
		/* the manual's own examples */
		{"/dev/vg/guest-volume,,hda", "/dev/vg/guest-volume hda rw cd=0 discard=1 user=0",
		 NULL},
		{"/dev/vg/guest-volume,raw,hda,rw",
		 "/dev/vg/guest-volume hda rw cd=0 discard=1 user=0", NULL},
		{"format=raw, vdev=hda, access=rw, target=/dev/vg/guest-volume",
		 "/dev/vg/guest-volume hda rw cd=0 discard=1 user=0", NULL},
		{"raw:/dev/vg/guest-volume,hda,w",
		 "/dev/vg/guest-volume hda rw cd=0 discard=1 user=0", NULL},
		{"/root/image.iso,,hdc,cdrom", "/root/image.iso hdc ro cd=1 discard=1 user=0",
		 NULL},
		{"/root/image.iso,,hdc,,cdrom", "/root/image.iso hdc ro cd=1 discard=1 user=0",
		 NULL},
		{"/root/image.iso,raw,hdc,devtype=cdrom",
		 "/root/image.iso hdc ro cd=1 discard=1 user=0", NULL},
		{"format=raw, vdev=hdc, access=ro, devtype=cdrom, target=/root/image.iso",
		 "/root/image.iso hdc ro cd=1 discard=1 user=0", NULL},
		{"raw:/root/image.iso,hdc:cdrom,ro", "/root/image.iso hdc ro cd=1 discard=1 user=0",
		 NULL},
		/* what else is about */
		{"phy:/dev/sdb,xvda,w", "/dev/sdb xvda rw cd=0 discard=1 user=0", NULL},
		{"file:/a.img,xvda,r", "/a.img xvda ro cd=0 discard=1 user=0", NULL},
		{"tap:aio:/a.img,xvda,w", "/a.img xvda rw cd=0 discard=1 user=0", NULL},
		{"vdev=xvda,target=/a, b,ro", "/a, b,ro xvda rw cd=0 discard=1 user=0", NULL},
		{"/a,raw,xvdz,ro,no-discard", "/a xvdz ro cd=0 discard=0 user=0", NULL},
		{"/a,raw,xvda,w,discard,direct-io-safe", "/a xvda rw cd=0 discard=1 user=0", NULL},
		{"/a,raw,xvda1,w", "/a xvda1 rw cd=0 discard=1 user=0", NULL},
		{"/a,,xvda,backend=dom0", "/a xvda rw cd=0 discard=1 user=0", NULL},
		{"/a,,xvda,backendtype=phy", "/a xvda rw cd=0 discard=1 user=0", NULL},
		{"/a,,xvda,backendtype=qdisk", "/a xvda rw cd=0 discard=1 user=0", "no qdisk here"},
		{"/a,,xvda,backendtype=tap", "/a xvda rw cd=0 discard=1 user=0", "no tap here"},
		{"/a,,xvda,userspace=1", "/a xvda rw cd=0 discard=1 user=1", NULL},
		{"userspace,vdev=xvda,target=/a", "/a xvda rw cd=0 discard=1 user=1", NULL},
		{"/a,userspace=0,raw,xvda,userspace=1,r", "/a xvda ro cd=0 discard=1 user=1", NULL},
		{"vdev=xvda,target=/a,userspace=1", "/a,userspace=1 xvda rw cd=0 discard=1 user=0",
		 NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct device_config d;
		char text[512];

		understood(DEVICE_VBD, t[i].spec, t[i].warning, &d);
		show_vbd(&d, text, sizeof(text));
		if (strcmp(text, t[i].all) != 0)
			fail_msg("\"%s\": %s", t[i].spec, text);
		device_config_clear(&d);
	}
}

static void bad_disks_are_named(void **state)
{
	static const struct {
		const char *spec, *words;
	} t[] = {
		{"", "no vdev specified"},
		{"/a", "no vdev specified"},
		{"/a,,xvda\n", "control character"}, /* libxlutil would exit() */
		{"[ac=\n", "control character"},
		{"/a,raw,,w", "vdev: not given"},
		{"/a,raw,vda,w", "vdev \"vda\": not the name of a virtual disk"},
		{"/a,raw,xvda,q", "unknown value for access: near `q'"},
		{"/a,foo,xvda,w", "unknown value for format: near `foo'"},
		{"/a,qcow2,xvda,w", "format \"qcow2\": only raw"},
		{"tap2:qcow2:/a,xvda,w", "qemu-img"},
		{"/a,vhd,xvda,w", "format \"vhd\""},
		{"/a,qed,xvda,w", "format \"qed\""},
		{"/a,raw,xvda,w,nonsense=1", "unknown parameter: near `nonsense=1'"},
		{"/a,raw,xvda,w,more", "too many positional parameters"},
		{",raw,hdc,cdrom", "a CD drive without a disk is not possible"},
		{"vdev=xvda", "no target specified"},
		{"iscsi:x,xvda,w", "script \"block-iscsi\""},
		{"script=block-drbd,vdev=xvda,target=web", "scripts for disks are not run"},
		{"/a,,xvda,backend=storage", "driver domains"},
		{"/a,,xvda,backendtype=nonsense", "unknown value for backendtype"},
		{"/a,,xvda,specification=virtio", "virtio"},
		{"/a,,xvda,userspace=2", "userspace=2: use userspace=1"},
		{"/a,,xvda,userspace=", "use userspace=1"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		refused(DEVICE_VBD, t[i].spec, t[i].words);
}

/* Which of them is there is seen when it is opened. */
static void relative_targets(void **state)
{
	struct device_config d;
	struct device_config copy;
	struct err e = {0};

	(void)state;
	assert_int_equal(vmcfg_device(DEVICE_VBD, "root.img,,xvda", "/srv", NULL, &d, &e), 0);
	assert_string_equal(d.u.vbd.path, "/srv/root.img");
	assert_string_equal(d.u.vbd.or_path, "/dev/root.img"); /* as in xl */
	assert_int_equal(device_config_copy(&copy, &d), 0);
	assert_string_equal(copy.u.vbd.or_path, "/dev/root.img");
	device_config_clear(&copy);
	device_config_clear(&d);
	assert_int_equal(vmcfg_device(DEVICE_VBD, "null,,xvda", NULL, NULL, &d, &e), 0);
	assert_string_equal(d.u.vbd.path, "/dev/null");
	assert_null(d.u.vbd.or_path);
	device_config_clear(&d);
}

/* --- together --- */

static int parse(const char *text, const char *const *set, struct vm_config *c, struct err *e)
{
	struct vmcfg v = of_text(text);
	int rc = 0;

	*e = (struct err){0};
	for (; set && *set; set++)
		assert_int_equal(vmcfg_add(&v.set, *set, strlen(*set)), 0);
	rc = vmcfg_parse(&v, c, e);
	if (rc == 0)
		rc = vm_config_check(c, e);
	vmcfg_clear(&v);
	return rc;
}

#define BASE "kernel='/k'\nmemory=4\n"

static void lists_have_items(void **state)
{
	static const char *const set[] = {"vif=bridge=br9", "disk=/d,,xvdd", NULL};
	struct vm_config c;
	struct err e;

	(void)state;
	assert_int_equal(parse(BASE "vif = [ 'bridge=br0,mtu=1400', '' ]\n"
				    "disk = [ '/a,,xvda', 'phy:/b,xvdb,r' ]\n",
			       set, &c, &e),
			 0);
	assert_int_equal(c.ndevice, 6);
	assert_string_equal(c.device[0].u.vif.bridge, "br0");
	assert_int_equal(c.device[0].u.vif.mtu, 1400);
	assert_string_equal(c.device[1].u.vif.bridge, "xenbr0");
	assert_string_equal(c.device[2].u.vbd.path, "/a");
	assert_true(c.device[3].u.vbd.readonly);
	assert_string_equal(c.device[4].u.vif.bridge, "br9"); /* what a client sets comes on top */
	assert_string_equal(c.device[5].u.vbd.path, "/d");
	vm_config_clear(&c);
	/* A list that is said again replaces the first; += adds to it. */
	assert_int_equal(parse(BASE "vif=['bridge=br0']\ndisk=['/a,,xvda']\nvif=['bridge=br1']\n"
				    "disk += ['/b,,xvdb']\n",
			       NULL, &c, &e),
			 0);
	assert_int_equal(c.ndevice, 3);
	vm_config_clear(&c);
	assert_int_equal(parse(BASE "vif = 'bridge=br0'", NULL, &c, &e), 0);
	assert_int_equal(c.ndevice, 1);
	vm_config_clear(&c);
}

static void devices_side_by_side(void **state)
{
	static const struct {
		const char *text, *words;
	} t[] = {
		{"vif=['mac=00:16:3e:00:00:01','mac=00:16:3E:00:00:01']", "is given twice"},
		{"vif=['vifname=a','vifname=a']", "vifname \"a\" is given twice"},
		{"vif=['devid=1','devid=1']", "devid 1 is taken"},
		{"vif=['netns=/n']", "needs peer"},
		{"vif=['peer=a']", "peer a needs netns"},
		{"vif=['bridge=b,netns=/n,peer=a']", "netns and bridge cannot"},
		{"disk=['/a,,xvda','/b,,xvda']", "vdev xvda is taken"},
		{"disk=['/a,,xvda','/b,,51712']", "vdev xvda is taken"},
		{"disk=['/a,,xvda','/a,,xvdb']", "/a is given twice"},
		{"disk=['/a,,xvda,r','/a,,xvdb,w']", "/a is given twice"},
		{"vif=['','','','','','','','','']", "vif: a VM has at most 8"},
		{"disk=['/a,,xvda,r','/a,,xvdb,r','/a,,xvdc,r','/a,,xvdd,r','/a,,xvde,r',"
		 "'/a,,xvdf,r','/a,,xvdg,r','/a,,xvdh,r','/a,,xvdi,r']",
		 "disk: a VM has at most 8"},
		{"vif=['','','','','','','','','','','','','','','','','']",
		 "a VM has at most 16 devices"},
	};
	struct vm_config c;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		char text[512];
		int rc;

		(void)snprintf(text, sizeof(text), BASE "%s", t[i].text);
		rc = parse(text, NULL, &c, &e);
		if (rc >= 0 || !strstr(e.msg, t[i].words))
			fail_msg("%s: %d \"%s\"", t[i].text, rc, e.msg);
		vm_config_clear(&c);
	}
	assert_int_equal(parse(BASE "disk=['/a,,xvda,r','/a,,xvdb,r']\nvif=['','']", NULL, &c, &e),
			 0);
	vm_config_clear(&c);
}

/* What is right alone and wrong beside another key, in whichever order. */
static void keys_side_by_side(void **state)
{
	static const struct {
		const char *text, *words; /* NULL: fine */
	} t[] = {
		{"vcpus=2\nmaxvcpus=2", NULL},
		{"maxvcpus=4\nvcpus=2", NULL},
		{"maxvcpus=3", NULL},
		{"vcpus=2\nmaxvcpus=1", "maxvcpus 1: less than vcpus, which is 2"},
		{"maxvcpus=1\nvcpus=2", "maxvcpus 1: less than vcpus, which is 2"},
		{"vcpus=2\nmaxvcpus=4\ncap=400", NULL},
		{"vcpus=2\nmaxvcpus=4\ncap=401", "cap 401: at most 100 for each of the 4 vCPUs"},
		{"maxmem=0", NULL},
		{"uuid='6368616f-732d-8474-8000-000000000001'", "templates of chaosd"},
		{"maxmem=3", "maxmem 3072 KiB: less than memory, which is 4096 KiB"},
	};
	struct vm_config c;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		char text[128];
		int rc;

		(void)snprintf(text, sizeof(text), BASE "%s", t[i].text);
		rc = parse(text, NULL, &c, &e);
		if ((rc < 0) != (t[i].words != NULL) || (rc < 0 && !strstr(e.msg, t[i].words)))
			fail_msg("%s: %d \"%s\"", t[i].text, rc, e.msg);
		vm_config_clear(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vifs_are_understood),	cmocka_unit_test(bad_vifs_are_named),
		cmocka_unit_test(disks_are_understood), cmocka_unit_test(bad_disks_are_named),
		cmocka_unit_test(relative_targets),	cmocka_unit_test(lists_have_items),
		cmocka_unit_test(devices_side_by_side), cmocka_unit_test(keys_side_by_side),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
