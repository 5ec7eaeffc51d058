# The first program of the virtual machine, started with the folder that it shares with the test, and with the checkout,
# Python and polkit rule of the computer, whose files are in /host. Ends by powering off.
share=$1 root=$2 python=$3
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
log() { echo "[$(cut -d' ' -f1 /proc/uptime)] $*"; }
log boot
mount -t tmpfs run /run
mkdir -p /run/dbus /run/netns /run/gateway
echo 'sunmi-gateway:x:990:990::/nonexistent:/usr/sbin/nologin' >> /etc/passwd
echo 'sunmi-gateway:x:990:' >> /etc/group
chown 990:990 /run/gateway
cp /host$root/packaging/debian/50-sunmi-gateway.rules /usr/share/polkit-1/rules.d/
ip link set lo up
/lib/systemd/systemd-udevd --daemon; udevadm trigger; udevadm settle -t 60
dbus-uuidgen --ensure; dbus-daemon --system --fork
/usr/lib/polkit-1/polkitd --no-debug > /run/polkitd.log 2>&1 &

# The shop: a network of its own, with Wi-Fi and a cable, in which addresses are given out.
ip netns add shop; iw phy phy1 set netns name shop
shop() { ip netns exec shop "$@"; }
ip link add eth0 type veth peer name port netns shop
ip addr add 10.9.0.2/24 dev eth0; ip link set eth0 up
shop ip link add br0 type bridge; shop ip addr add 10.9.0.1/24 dev br0; shop ip link set port master br0
shop ip link set port up; shop ip link set br0 up; shop ip link set lo up
cat > /run/shop.conf <<END
interface=wlan1
bridge=br0
ssid=WeWork
hw_mode=g
channel=1
wpa=2
wpa_key_mgmt=WPA-PSK
rsn_pairwise=CCMP
wpa_passphrase=shop-secret
END
shop hostapd -B -P /run/shop.pid /run/shop.conf
shop dnsmasq -C /dev/null -i br0 --port=0 --dhcp-range=10.9.0.10,10.9.0.50 --pid-file=/run/shop.dhcp --dhcp-leasefile=/run/shop.leases

# Cameras: each has a namespace with a radio, and an open network.
for n in 1 2 3 4; do
  wlan=wlan$((n + 1))
  ip netns add cam$n; iw phy phy$((n + 1)) set netns name cam$n
  cam() { ip netns exec cam$n "$@"; }
  cam ip link set lo up; cam ip addr add 192.168.200.1/24 dev $wlan
  printf 'interface=%s\nssid=SUNMI_9A0%s\nhw_mode=g\nchannel=%s\n' $wlan $n $((n * 3 - 2)) > /run/cam$n.conf
  [ $n = 4 ] && sed -i s/channel=10/channel=11/ /run/cam$n.conf
  cam hostapd -B -P /run/hostapd$n.pid /run/cam$n.conf
  cam dnsmasq -C /dev/null -i $wlan --port=0 --dhcp-range=192.168.200.10,192.168.200.50 --dhcp-option=3,192.168.200.1 \
    --dhcp-option=6,192.168.200.1 --pid-file=/run/dnsmasq$n.pid --dhcp-leasefile=/run/cam$n.leases
done
cat > /run/udhcpc.sh <<'END'
#!/bin/sh
[ "$1" = bound ] && busybox ip addr add $ip/24 dev $interface
exit 0
END
chmod 755 /run/udhcpc.sh
log "access points"

# The computer's files with the devices of this machine, for Python.
mount --bind /proc /host/proc; mount --rbind /sys /host/sys; mount --rbind /dev /host/dev; mount --rbind /run /host/run
python="env -i PATH=$PATH LC_ALL=C.UTF-8 HOME=/run/gateway TMPDIR=/run PYTHONPATH=$root PYTHONDONTWRITEBYTECODE=1 $python"
chroot /host $python -m tests.shop.hotspots.guest_cameras wlan2 wlan3 wlan4 wlan5 > $share/cameras.log 2>&1 &
# The service's user, who may read the files of the checkout wherever that is.
mkfifo /run/commands; chown 990:990 /run/commands
chroot /host setpriv --reuid 990 --regid 990 --clear-groups --inh-caps +dac_read_search --ambient-caps +dac_read_search \
  $python -m tests.shop.hotspots.guest_gateway /run/commands $share /run/gateway > $share/gateway.log 2>&1 &
begin() { echo "$*" > /run/commands; }
gateway() { begin "$@"; while [ ! -e $share/$1.ended ]; do sleep 0.5; done; }
kill_gateway() { log "kill -9 of $1"; kill -9 $(cat $share/$1.pid); }

# The user's own connection. The password is in the stored profile, as with any other.
mkdir -p /var/lib/NetworkManager
printf '[main]\nplugins=keyfile\n[keyfile]\nunmanaged-devices=interface-name:eth0\n' > /etc/NetworkManager/NetworkManager.conf
wpa_supplicant -u -B -s > /dev/null
NetworkManager
until nmcli -t -f RUNNING general 2>/dev/null | grep -q running; do sleep 1; done
log "NetworkManager $(NetworkManager --version)"
nmcli -w 60 device wifi rescan ifname wlan0; sleep 5
for try in 1 2 3 4 5; do
  nmcli -w 60 device wifi connect WeWork password shop-secret ifname wlan0 && break
  sleep 3
done
log "in the shop"
in_shop() { nmcli -t -f DEVICE,STATE,CONNECTION device | grep -q '^wlan0:connected:WeWork$'; }
wait_for_shop() { while ! in_shop; do sleep 1; done; }
wait_for() { while ! grep -q "$2" $share/$1; do sleep 0.5; done; }
has_checkpoint() {
  dbus-send --system --print-reply=literal --dest=org.freedesktop.NetworkManager /org/freedesktop/NetworkManager \
    org.freedesktop.DBus.Properties.Get string:org.freedesktop.NetworkManager string:Checkpoints | grep -q Checkpoint/
}
state() {
  {
    nmcli -t -f NAME,UUID,TYPE,AUTOCONNECT,DEVICE connection show | sort
    nmcli -t -f DEVICE,TYPE,STATE,CONNECTION device | grep -v p2p | sort
    find /etc/NetworkManager /run/NetworkManager /var/lib/NetworkManager -name '*.nmconnection' | sort
    find /etc/NetworkManager/system-connections -type f | sort | xargs sha256sum
    has_checkpoint && echo checkpoint
    ip -4 route | sort; ip -4 -o addr | awk '{print $2, $4}' | sort
  } > $share/state-$1 2>&1
}
state before

log "scenario"
wait_for cameras.log "ready 4"
log "cameras are ready"
gateway two set-up 1 2
state after-two

# Killed in a hotspot: NetworkManager ends the hotspot at once, and goes back at the latest when the checkpoint expires.
begin stay stay 3
wait_for stay.log '"what": "joined"'
nmcli -t -f DEVICE,STATE,CONNECTION device | grep wlan0 > $share/in-hotspot
kill_gateway stay
while nmcli -t -f NAME connection show --active | grep -q SUNMI; do sleep 0.5; done
log "out of the hotspot"
wait_for_shop
log "back in the shop"
while has_checkpoint; do sleep 1; done
sleep 1; wait_for_shop
log "checkpoint expired"
state after-kill

# One interface only.
ip link set eth0 down
gateway alone set-up 3
ip link set eth0 up; ip addr show dev eth0 | grep -q 10.9.0.2 || ip addr add 10.9.0.2/24 dev eth0
log "set up with one interface"

# Killed while a camera is being set up, and started again.
begin killed set-up 4
wait_for killed.log "step wifi"
kill_gateway killed
gateway resumed set-up 4
log "resumed"
while has_checkpoint; do sleep 1; done
sleep 1; wait_for_shop
state after
cp /run/polkitd.log $share
log end
