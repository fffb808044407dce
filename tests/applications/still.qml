// SPDX-License-Identifier: Apache-2.0
// A picture that does not move, of what Qt Quick draws with: gradients, clips, transforms, text.
import QtQuick
import QtQuick.Window

Window {
    visible: true
    width: 320
    height: 240
    Rectangle {
        anchors.fill: parent
        gradient: Gradient {
            GradientStop { position: 0; color: "steelblue" }
            GradientStop { position: 1; color: "black" }
        }
        Repeater {
            model: 64
            Rectangle {
                x: (index % 8) * 40 + 4
                y: Math.floor(index / 8) * 30 + 4
                width: 30
                height: 20
                radius: index % 10
                rotation: index * 5
                color: Qt.hsla(index / 64, 0.8, 0.5, 1)
                Text { anchors.centerIn: parent; text: index }
            }
        }
    }
}
